// Package roles serves the routes of permissions and roles:
//
//	GET                /permissions
//	GET, POST          /roles
//	GET, PATCH, DELETE /roles/{id}
package roles

import (
	"context"
	"encoding/json"
	"hash/crc32"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
)

// Service is what can be done with roles.
type Service interface {
	List(ctx context.Context, c call.Call, f grant.Filter, after string, limit int) ([]role.Custom, string, error)
	Create(ctx context.Context, c call.Call, in grant.New) (role.Custom, error)
	Get(ctx context.Context, c call.Call, r id.Role) (role.Custom, error)
	Patch(ctx context.Context, c call.Call, r id.Role, in grant.Patch) (role.Custom, error)
	Delete(ctx context.Context, c call.Call, r id.Role) error
	// Scopes returns the protected APIs whose scopes the caller's place can use, in any order.
	Scopes(ctx context.Context, c call.Call) ([]protectedapi.API, error)
}

// Register adds the operations.
func Register(a *httpapi.API, s Service) {
	r := resource{api: a, service: s}
	r.registerPermissions()
	r.registerCollection()
	r.registerSingle()
}

type resource struct {
	api     *httpapi.API
	service Service
}

const noun = "roles"

// Role is a named set of permissions.
type Role struct {
	ID            string   `json:"id" maxLength:"25" example:"role_BuiltinIntegration00"`
	Name          string   `json:"name" maxLength:"100"`
	Description   string   `json:"description" maxLength:"500"`
	Permissions   []string `json:"permissions" nullable:"false" maxItems:"80" doc:"Built-in roles hold the scopes of protected APIs by their kind, beside what is listed here: owner and admin all, operator and viewer those of kind read, integration and automation those of read and execute, which a key has to name"`
	BuiltIn       bool     `json:"built_in"`
	AssignableTo  []string `json:"assignable_to" nullable:"false" enum:"employee,service_account" maxItems:"2" doc:"What it can be given to"`
	NodeID        *string  `json:"node_id" doc:"The node that a custom role belongs to; null for a built-in one"`
	CreatedBy     *string  `json:"created_by" doc:"ID of who created it; null for a built-in one, and for one of a node above the caller's"`
	CreatedByName *string  `json:"created_by_name"`
	CreatedAt     *string  `json:"created_at" format:"date-time"`
	UpdatedAt     *string  `json:"updated_at" format:"date-time"`
}

func of(r role.Custom) Role {
	out := Role{ID: string(r.ID), Name: r.Name, Description: r.Description, Permissions: []string{}, BuiltIn: r.BuiltIn, NodeID: httpapi.Text(r.NodeID),
		CreatedBy: httpapi.Text(r.CreatedBy), CreatedByName: httpapi.Text(r.CreatedByName), CreatedAt: httpapi.Time(r.CreatedAt), UpdatedAt: httpapi.Time(r.UpdatedAt)}
	for _, p := range r.Permissions.List() {
		out.Permissions = append(out.Permissions, string(p))
	}
	for _, a := range r.AssignableTo {
		out.AssignableTo = append(out.AssignableTo, string(a))
	}
	return out
}

// one tags a built-in role by what it holds: it changes with a release of rekey, not with a version of its own.
func one(r role.Custom) httpapi.Answer[Role] {
	body, version := of(r), r.Version
	if r.BuiltIn {
		content, err := json.Marshal(body)
		if err != nil {
			panic("roles: a role is not JSON: " + err.Error())
		}
		version = int64(crc32.ChecksumIEEE(content))
	}
	return httpapi.Answer[Role]{Body: body, ETag: precondition.Tag(body.ID, version)}
}

func roleID(text string) (id.Role, error) {
	if r, ok := id.Parse[id.Role](text); ok {
		return r, nil
	}
	return "", fault.Missing("role")
}

// kinds reads what a role can be given to; what is no kind is refused where it is used.
func kinds(given *[]string) *[]role.Assignee {
	if given == nil {
		return nil
	}
	out := make([]role.Assignee, len(*given))
	for i, text := range *given {
		out[i] = role.Assignee(text)
	}
	return &out
}

type createInput struct {
	Body struct {
		NodeID       string        `json:"node_id" minLength:"1" maxLength:"100" doc:"The node that it belongs to; it can be given there and below"`
		Name         string        `json:"name" minLength:"1" maxLength:"100" doc:"Unique among the node's roles and the built-in ones, without regard to case"`
		Description  string        `json:"description,omitempty" maxLength:"500"`
		Permissions  httpapi.Texts `json:"permissions" maxItems:"80" doc:"Of GET /permissions, the scopes of protected APIs of the node and above included; each of them the caller holds"`
		AssignableTo *[]string     `json:"assignable_to,omitempty" nullable:"false" enum:"employee,service_account" minItems:"1" maxItems:"2" doc:"Left out: whatever can hold all of the permissions"`
	}
}

type listInput struct {
	httpapi.Paging
	NodeID       string `query:"node_id" maxLength:"100" doc:"Only custom roles, of the node and all below it"`
	Direct       bool   `query:"direct" doc:"With node_id: only the node itself"`
	AssignableTo string `query:"assignable_to" enum:"employee,service_account" doc:"Only what such a principal can be given"`
	Q            string `query:"q" maxLength:"100" doc:"Case-insensitive prefix of the name, or an exact ID"`
}

func (in *listInput) filter() (grant.Filter, error) {
	f := grant.Filter{Direct: in.Direct, Assignable: role.Assignee(in.AssignableTo), Query: in.Q}
	if err := httpapi.AtMostOne("assignable_to", in.AssignableTo, "q", in.Q); err != nil {
		return f, err
	}
	where, err := httpapi.PlaceFilter{NodeID: in.NodeID, Direct: in.Direct}.Where("")
	f.Node = where.Node
	return f, err
}

// page is a page of roles together with its sealed cursor.
type page struct {
	roles []role.Custom
	next  string
}

func (r resource) registerCollection() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listRoles", Method: http.MethodGet, Path: "/roles", Tag: noun,
		Summary: "List roles, by name", Description: "The built-in ones and those of the caller's node, of all below it, and of those above it, which can be given here too. At most one of assignable_to and q.",
		Access: httpapi.Needs(permission.RolesRead), Errors: []fault.Kind{fault.NotFound}},
		func(ctx context.Context, c call.Call, in *listInput) (page, error) {
			f, err := in.filter()
			if err != nil {
				return page{}, err
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return page{}, err
			}
			found, position, err := r.service.List(ctx, c, f, after, in.Limit)
			if err != nil {
				return page{}, err
			}
			next, err := r.api.Next(ctx, position)
			return page{found, next}, err
		},
		func(p page) httpapi.Answer[httpapi.List[Role]] {
			items := make([]Role, 0, len(p.roles))
			for _, x := range p.roles {
				items = append(items, of(x))
			}
			return httpapi.Answer[httpapi.List[Role]]{Body: httpapi.NewList(items, p.next)}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "createRole", Method: http.MethodPost, Path: "/roles", Tag: noun,
		Summary: "Create a role of a node", Description: "Nobody puts into a role what they do not hold. What a service account can never hold is in no role that can be given to one.",
		Access: httpapi.Needs(permission.RolesCreate), Status: http.StatusCreated, Tagged: true,
		Errors: []fault.Kind{fault.Conflict, fault.NotFound, fault.NotGrantable}},
		func(ctx context.Context, c call.Call, in *createInput) (role.Custom, error) {
			b := &in.Body
			at, ok := id.Parse[id.Node](b.NodeID)
			if !ok {
				return role.Custom{}, fault.Missing("node")
			}
			return r.service.Create(ctx, c, grant.New{Node: at, Name: b.Name, Description: b.Description, Permissions: b.Permissions, AssignableTo: kinds(b.AssignableTo)})
		}, one)
}

type roleInput struct {
	ID string `path:"id" maxLength:"100"`
}

type patchInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		Name         *string               `json:"name,omitempty" minLength:"1" maxLength:"100"`
		Description  httpapi.Field[string] `json:"description,omitempty" nullable:"true" maxLength:"500" doc:"null empties it"`
		Permissions  *httpapi.Texts        `json:"permissions,omitempty" maxItems:"80" doc:"All of them: they replace those of before. The caller holds what is new"`
		AssignableTo *[]string             `json:"assignable_to,omitempty" nullable:"false" enum:"employee,service_account" minItems:"1" maxItems:"2" doc:"A kind of which somebody has the role stays"`
	}
}

func (r resource) registerSingle() {
	httpapi.Register(r.api, httpapi.Operation{ID: "getRole", Method: http.MethodGet, Path: "/roles/{id}", Tag: noun,
		Summary: "Get a role", Access: httpapi.Needs(permission.RolesRead), Tagged: true},
		func(ctx context.Context, c call.Call, in *roleInput) (role.Custom, error) {
			which, err := roleID(in.ID)
			if err != nil {
				return role.Custom{}, err
			}
			return r.service.Get(ctx, c, which)
		}, one)

	httpapi.Register(r.api, httpapi.Operation{ID: "patchRole", Method: http.MethodPatch, Path: "/roles/{id}", Tag: noun,
		Summary: "Change a role, for everybody who has it", Description: "It holds from the next request on. Whoever changes a role holds all that it had and will have.",
		Access: httpapi.Needs(permission.RolesUpdate), Tagged: true, Match: true, MergePatch: true,
		Errors: []fault.Kind{fault.Conflict, fault.InUse, fault.NotGrantable}},
		func(ctx context.Context, c call.Call, in *patchInput) (role.Custom, error) {
			which, err := roleID(in.ID)
			if err != nil {
				return role.Custom{}, err
			}
			b := &in.Body
			return r.service.Patch(ctx, c, which, grant.Patch{Name: b.Name, Description: b.Description.Pointer(), Permissions: (*[]string)(b.Permissions),
				AssignableTo: kinds(b.AssignableTo)})
		}, one)

	httpapi.Register(r.api, httpapi.Operation{ID: "deleteRole", Method: http.MethodDelete, Path: "/roles/{id}", Tag: noun,
		Summary: "Delete a role that nobody has", Description: "Refused while somebody has it; blocked_by counts them. Its name can be used again; its audit records stay.",
		Access: httpapi.Needs(permission.RolesDelete), Status: http.StatusNoContent, Match: true, Errors: []fault.Kind{fault.InUse, fault.Conflict}},
		func(ctx context.Context, c call.Call, in *roleInput) (httpapi.None, error) {
			which, err := roleID(in.ID)
			if err != nil {
				return httpapi.None{}, err
			}
			return httpapi.None{}, r.service.Delete(ctx, c, which)
		},
		func(httpapi.None) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })
}
