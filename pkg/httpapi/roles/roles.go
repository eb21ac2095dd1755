// Package roles serves the routes of permissions and roles: the catalogue, and the built-in roles.
package roles

import (
	"cmp"
	"context"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"slices"
	"strings"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/role"
)

// Permission is a word of the catalogue.
type Permission struct {
	ID           string   `json:"id" maxLength:"81" example:"service_accounts:rotate"`
	Name         string   `json:"name" maxLength:"100" example:"Rotate Service Account Secret"`
	Description  string   `json:"description" maxLength:"500"`
	Category     string   `json:"category" maxLength:"100"`
	AssignableTo []string `json:"assignable_to" enum:"employee,service_account" maxItems:"2"`
}

// Role is a named set of permissions.
type Role struct {
	ID           string   `json:"id" maxLength:"25" example:"role_BuiltinIntegration00"`
	Name         string   `json:"name" maxLength:"100"`
	Description  string   `json:"description" maxLength:"500"`
	Permissions  []string `json:"permissions" maxItems:"80"`
	BuiltIn      bool     `json:"built_in"`
	AssignableTo []string `json:"assignable_to" enum:"employee,service_account" maxItems:"2"`
	NodeID       *string  `json:"node_id" doc:"The node that a custom role belongs to; null for a built-in one"`
}

type permissionsInput struct {
	AssignableTo string `query:"assignable_to" enum:"employee,service_account" doc:"Only what such a principal can hold"`
	httpapi.Paging
}

type rolesInput struct{ httpapi.Paging }

type roleInput struct {
	ID string `path:"id" maxLength:"100"`
}

// Register adds GET /permissions, GET /roles and GET /roles/{id}.
func Register(a *httpapi.API) {
	h := handler{a}
	httpapi.Register(a, httpapi.Operation{ID: "listPermissions", Method: http.MethodGet, Path: "/permissions", Tag: "roles",
		Summary: "List permissions", Description: "By name. What a service account can hold: assignable_to=service_account.",
		Access: httpapi.SignedIn}, h.permissions, answer[httpapi.List[Permission]])
	httpapi.Register(a, httpapi.Operation{ID: "listRoles", Method: http.MethodGet, Path: "/roles", Tag: "roles",
		Summary: "List roles", Description: "By name.", Access: httpapi.Needs(permission.RolesRead)}, h.roles, answer[httpapi.List[Role]])
	httpapi.Register(a, httpapi.Operation{ID: "getRole", Method: http.MethodGet, Path: "/roles/{id}", Tag: "roles",
		Summary: "Get a role", Access: httpapi.Needs(permission.RolesRead), Tagged: true}, h.role, showRole)
}

func answer[O any](body O) httpapi.Answer[O] { return httpapi.Answer[O]{Body: body} }

type handler struct{ api *httpapi.API }

func (h handler) permissions(ctx context.Context, _ call.Call, in *permissionsInput) (httpapi.List[Permission], error) {
	var all []Permission
	for _, e := range permission.Catalogue() {
		p := Permission{ID: string(e.ID), Name: e.Name, Description: e.Description, Category: e.Category, AssignableTo: []string{string(role.Employee)}}
		if e.AssignableToServiceAccount() {
			p.AssignableTo = append(p.AssignableTo, string(role.ServiceAccount))
		}
		if in.AssignableTo == "" || slices.Contains(p.AssignableTo, in.AssignableTo) {
			all = append(all, p)
		}
	}
	return paged(ctx, h.api, all, in.Cursor, in.Limit, func(p Permission) (string, string) { return p.Name, p.ID })
}

func (h handler) roles(ctx context.Context, c call.Call, in *rolesInput) (httpapi.List[Role], error) {
	if err := c.Caller.Holds(permission.RolesRead); err != nil {
		return httpapi.List[Role]{}, err
	}
	var all []Role
	for _, r := range role.BuiltIns() {
		all = append(all, roleOf(r))
	}
	return paged(ctx, h.api, all, in.Cursor, in.Limit, func(r Role) (string, string) { return r.Name, r.ID })
}

func (h handler) role(_ context.Context, c call.Call, in *roleInput) (Role, error) {
	if err := c.Caller.Holds(permission.RolesRead); err != nil {
		return Role{}, err
	}
	r, ok := role.BuiltIn(id.Role(in.ID))
	if !ok {
		return Role{}, fault.Missing("role")
	}
	return roleOf(r), nil
}

// showRole tags a built-in role by what it holds: it changes with a release of rekey, not with a version of its own.
func showRole(r Role) httpapi.Answer[Role] {
	content, err := json.Marshal(r)
	if err != nil {
		panic("roles: a role is not JSON: " + err.Error())
	}
	return httpapi.Answer[Role]{Body: r, ETag: precondition.Tag(r.ID, int64(crc32.ChecksumIEEE(content)))}
}

func roleOf(r role.Role) Role {
	out := Role{ID: string(r.ID), Name: r.Name, Description: r.Description, BuiltIn: r.BuiltIn, NodeID: httpapi.Text(r.NodeID)}
	for _, p := range r.Permissions.List() {
		out.Permissions = append(out.Permissions, string(p))
	}
	for _, a := range r.AssignableTo {
		out.AssignableTo = append(out.AssignableTo, string(a))
	}
	return out
}

// paged cuts a page out of a list that is code, sorted by name and then ID; the position is the ID of the page's last item.
func paged[T any](ctx context.Context, a *httpapi.API, all []T, cursor string, limit int, key func(T) (string, string)) (httpapi.List[T], error) {
	slices.SortFunc(all, func(x, y T) int {
		xName, xID := key(x)
		yName, yID := key(y)
		return cmp.Or(cmp.Compare(strings.ToLower(xName), strings.ToLower(yName)), cmp.Compare(xID, yID))
	})
	after, err := a.After(ctx, cursor)
	if err != nil {
		return httpapi.List[T]{}, err
	}
	if after != "" {
		last := slices.IndexFunc(all, func(v T) bool { _, id := key(v); return id == after })
		all = all[last+1:]
	}
	position := ""
	if len(all) > limit {
		all = all[:limit]
		_, position = key(all[limit-1])
	}
	next, err := a.Next(ctx, position)
	return httpapi.NewList(all, next), err
}
