// Package protectedapis serves the registrations of the APIs that rekey guards besides its own:
//
//	GET, POST          /protected-apis
//	GET, PATCH, DELETE /protected-apis/{id}
package protectedapis

import (
	"context"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
)

// Service is what can be done with registrations.
type Service interface {
	List(ctx context.Context, c call.Call, w listing.Where, query, after string, limit int) ([]protectedapi.API, string, error)
	Register(ctx context.Context, c call.Call, in protectedapi.New) (protectedapi.API, error)
	Get(ctx context.Context, c call.Call, a id.ProtectedAPI) (protectedapi.API, error)
	Patch(ctx context.Context, c call.Call, a id.ProtectedAPI, in protectedapi.Patch) (protectedapi.API, error)
	Delete(ctx context.Context, c call.Call, a id.ProtectedAPI) error
}

// Register adds the operations.
func Register(a *httpapi.API, s Service) {
	r := resource{api: a, service: s}
	r.registerCollection()
	r.registerSingle()
}

type resource struct {
	api     *httpapi.API
	service Service
}

const noun = "protected APIs"

// API is a registration as the API shows it.
type API struct {
	ID            string  `json:"id" example:"api_7Hq2cXv9LmN4pQr8sT1w"`
	Name          string  `json:"name"`
	Slug          string  `json:"slug" example:"recordings" doc:"The first part of its scopes' names"`
	NodeID        string  `json:"node_id" doc:"Keys of this node and below can hold its scopes and open it"`
	GatewayID     string  `json:"api_id" example:"a1b2c3d4e5" doc:"The API's ID in API Gateway"`
	Stage         string  `json:"stage" example:"prod"`
	Mode          string  `json:"mode" enum:"enforce,context_only" doc:"enforce: a route is open to who holds its scope, and a route that is not registered to nobody. context_only: every accepted key passes, and the API decides"`
	Scopes        []Scope `json:"scopes" nullable:"false"`
	Routes        []Route `json:"routes" nullable:"false"`
	CacheSeconds  int     `json:"authorizer_result_ttl_seconds" doc:"Always 0"`
	CreatedBy     string  `json:"created_by" doc:"ID of who registered it"`
	CreatedByName string  `json:"created_by_name"`
	CreatedAt     string  `json:"created_at" format:"date-time"`
	UpdatedAt     string  `json:"updated_at" format:"date-time"`
}

// Scope is one that a protected API declares.
type Scope struct {
	Name        string `json:"name" minLength:"3" maxLength:"40" example:"recordings:read" doc:"The slug, a colon and a word of a-z, 0-9, _ and - that begins with a letter"`
	Kind        string `json:"kind" enum:"read,execute,write,delete" doc:"Roles can hold every scope of a kind: integration and automation those of read and execute, operator and viewer those of read, owner and admin all"`
	Description string `json:"description,omitempty" maxLength:"200"`
}

// Route is an operation of a protected API.
type Route struct {
	Method string `json:"method" enum:"GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS,ANY" doc:"ANY is every method that has no route of its own on the path"`
	Path   string `json:"path" minLength:"1" maxLength:"200" example:"/recordings/{id}" doc:"The path's template as API Gateway knows it, /{proxy+} included; $default for an HTTP API's default route"`
	Scope  string `json:"scope" minLength:"3" maxLength:"40" example:"recordings:read" doc:"One of the API's scopes"`
}

func of(a protectedapi.API) API {
	out := API{ID: string(a.ID), Name: a.Name, Slug: a.Slug, NodeID: string(a.Place.Node()), GatewayID: a.GatewayID, Stage: a.Stage, Mode: string(a.Mode),
		Scopes: []Scope{}, Routes: []Route{}, CreatedBy: a.CreatedBy, CreatedByName: a.CreatedByName,
		CreatedAt: httpapi.TimeText(a.CreatedAt), UpdatedAt: httpapi.TimeText(a.UpdatedAt)}
	for _, s := range a.Scopes {
		out.Scopes = append(out.Scopes, Scope{Name: string(s.Name), Kind: string(s.Kind), Description: s.Description})
	}
	for _, r := range a.Routes {
		out.Routes = append(out.Routes, Route{Method: r.Method, Path: r.Path, Scope: string(r.Scope)})
	}
	return out
}

func one(a protectedapi.API) httpapi.Answer[API] {
	return httpapi.Answer[API]{Body: of(a), ETag: precondition.Tag(string(a.ID), a.Version)}
}

func apiID(text string) (id.ProtectedAPI, error) {
	if a, ok := id.Parse[id.ProtectedAPI](text); ok {
		return a, nil
	}
	return "", fault.Missing("protected API")
}

func scopesOf(given []Scope) []protectedapi.Scope {
	out := make([]protectedapi.Scope, len(given))
	for i, s := range given {
		out[i] = protectedapi.Scope{Name: permission.Permission(s.Name), Kind: permission.Kind(s.Kind), Description: s.Description}
	}
	return out
}

func routesOf(given []Route) []protectedapi.Route {
	out := make([]protectedapi.Route, len(given))
	for i, r := range given {
		out[i] = protectedapi.Route{Method: r.Method, Path: r.Path, Scope: permission.Permission(r.Scope)}
	}
	return out
}

type createInput struct {
	Body struct {
		NodeID       string  `json:"node_id" minLength:"1" maxLength:"100" doc:"The node that it belongs to; it never moves"`
		Name         string  `json:"name" minLength:"1" maxLength:"100" doc:"Unique among the node's, without regard to case"`
		Slug         string  `json:"slug" minLength:"1" maxLength:"30" doc:"1 to 30 of a-z, 0-9, _ and -, the first a letter. It never changes and stays the node's for ever: keys may name its scopes after the registration is gone"`
		GatewayID    string  `json:"api_id" minLength:"1" maxLength:"40" doc:"The API's ID in API Gateway, of a REST or an HTTP API of this account and region"`
		Stage        string  `json:"stage" minLength:"1" maxLength:"128" doc:"Each stage is registered by itself; $default for an HTTP API's"`
		Mode         string  `json:"mode,omitempty" enum:"enforce,context_only" default:"enforce"`
		Scopes       []Scope `json:"scopes,omitempty" nullable:"false" maxItems:"40"`
		Routes       []Route `json:"routes,omitempty" nullable:"false" maxItems:"100" doc:"Their methods, paths, scopes and kinds have at most 3000 bytes together"`
		CacheSeconds int     `json:"authorizer_result_ttl_seconds,omitempty" minimum:"0" maximum:"3600" doc:"The result TTL of the API's own authorizer, in seconds: anything but 0 is refused, because a key that was revoked or narrowed would go on working for as long"`
	}
}

type listInput struct {
	httpapi.Paging
	NodeID string `query:"node_id" maxLength:"100" doc:"Of the node and of all below it"`
	Direct bool   `query:"direct" doc:"With node_id: only the node's own"`
	Q      string `query:"q" maxLength:"100" doc:"Case-insensitive prefix of the name, or an exact ID"`
}

// page is a page of registrations together with its sealed cursor.
type page struct {
	apis []protectedapi.API
	next string
}

func (r resource) registerCollection() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listProtectedAPIs", Method: http.MethodGet, Path: "/protected-apis", Tag: noun,
		Summary: "List protected APIs, by name", Description: "Those of the caller's node and of all below it. GET /permissions lists the scopes that can be held, those of APIs above included.",
		Access: httpapi.Needs(permission.ProtectedAPIsRead), Errors: []fault.Kind{fault.NotFound}},
		func(ctx context.Context, c call.Call, in *listInput) (page, error) {
			where, err := httpapi.PlaceFilter{NodeID: in.NodeID, Direct: in.Direct}.Where("")
			if err != nil {
				return page{}, err
			}
			after, err := r.api.After(ctx, in.Cursor)
			if err != nil {
				return page{}, err
			}
			found, position, err := r.service.List(ctx, c, where, in.Q, after, in.Limit)
			if err != nil {
				return page{}, err
			}
			next, err := r.api.Next(ctx, position)
			return page{found, next}, err
		},
		func(p page) httpapi.Answer[httpapi.List[API]] {
			items := make([]API, 0, len(p.apis))
			for _, a := range p.apis {
				items = append(items, of(a))
			}
			return httpapi.Answer[httpapi.List[API]]{Body: httpapi.NewList(items, p.next)}
		})

	httpapi.Register(r.api, httpapi.Operation{ID: "createProtectedAPI", Method: http.MethodPost, Path: "/protected-apis", Tag: noun,
		Summary: "Register an API that rekey is to guard", Description: "One stage of a REST or HTTP API of the account, to which rekey's authorizer is attached. Its scopes exist from then on for roles and keys of the node and below.",
		Access: httpapi.Needs(permission.ProtectedAPIsManage), Status: http.StatusCreated, Tagged: true, Errors: []fault.Kind{fault.Conflict, fault.NotFound}},
		func(ctx context.Context, c call.Call, in *createInput) (protectedapi.API, error) {
			b := &in.Body
			at, ok := id.Parse[id.Node](b.NodeID)
			if !ok {
				return protectedapi.API{}, fault.Missing("node")
			}
			return r.service.Register(ctx, c, protectedapi.New{Node: at, Name: b.Name, Slug: b.Slug, GatewayID: b.GatewayID, Stage: b.Stage,
				Mode: protectedapi.Mode(b.Mode), Scopes: scopesOf(b.Scopes), Routes: routesOf(b.Routes), CacheSeconds: b.CacheSeconds})
		}, one)
}

type apiInput struct {
	ID string `path:"id" maxLength:"100"`
}

type patchInput struct {
	ID   string `path:"id" maxLength:"100"`
	Body struct {
		Name         *string  `json:"name,omitempty" minLength:"1" maxLength:"100"`
		GatewayID    *string  `json:"api_id,omitempty" minLength:"1" maxLength:"40"`
		Stage        *string  `json:"stage,omitempty" minLength:"1" maxLength:"128"`
		Mode         *string  `json:"mode,omitempty" enum:"enforce,context_only"`
		Scopes       *[]Scope `json:"scopes,omitempty" nullable:"false" maxItems:"40" doc:"All of them: they replace those of before. One that is taken away opens nothing, whoever names it"`
		Routes       *[]Route `json:"routes,omitempty" nullable:"false" maxItems:"100" doc:"All of them: they replace those of before"`
		CacheSeconds *int     `json:"authorizer_result_ttl_seconds,omitempty" minimum:"0" maximum:"3600" doc:"0, as at the registration"`
	}
}

func (in *patchInput) patch() protectedapi.Patch {
	b := &in.Body
	p := protectedapi.Patch{Name: b.Name, GatewayID: b.GatewayID, Stage: b.Stage, CacheSeconds: b.CacheSeconds}
	if b.Mode != nil {
		mode := protectedapi.Mode(*b.Mode)
		p.Mode = &mode
	}
	if b.Scopes != nil {
		scopes := scopesOf(*b.Scopes)
		p.Scopes = &scopes
	}
	if b.Routes != nil {
		routes := routesOf(*b.Routes)
		p.Routes = &routes
	}
	return p
}

func (r resource) registerSingle() {
	httpapi.Register(r.api, httpapi.Operation{ID: "getProtectedAPI", Method: http.MethodGet, Path: "/protected-apis/{id}", Tag: noun,
		Summary: "Get a protected API", Access: httpapi.Needs(permission.ProtectedAPIsRead), Tagged: true},
		func(ctx context.Context, c call.Call, in *apiInput) (protectedapi.API, error) {
			a, err := apiID(in.ID)
			if err != nil {
				return protectedapi.API{}, err
			}
			return r.service.Get(ctx, c, a)
		}, one)

	httpapi.Register(r.api, httpapi.Operation{ID: "patchProtectedAPI", Method: http.MethodPatch, Path: "/protected-apis/{id}", Tag: noun,
		Summary: "Change a protected API", Description: "It holds from the next request on. node_id and slug never change.",
		Access: httpapi.Needs(permission.ProtectedAPIsManage), Tagged: true, Match: true, MergePatch: true, Errors: []fault.Kind{fault.Conflict}},
		func(ctx context.Context, c call.Call, in *patchInput) (protectedapi.API, error) {
			a, err := apiID(in.ID)
			if err != nil {
				return protectedapi.API{}, err
			}
			return r.service.Patch(ctx, c, a, in.patch())
		}, one)

	httpapi.Register(r.api, httpapi.Operation{ID: "deleteProtectedAPI", Method: http.MethodDelete, Path: "/protected-apis/{id}", Tag: noun,
		Summary: "Remove a protected API", Description: "Its stage is denied from the next request on. Roles and keys go on naming its scopes, which open nothing; its slug can be registered again at the same node only.",
		Access: httpapi.Needs(permission.ProtectedAPIsManage), Status: http.StatusNoContent, Match: true, Errors: []fault.Kind{fault.Conflict}},
		func(ctx context.Context, c call.Call, in *apiInput) (httpapi.None, error) {
			a, err := apiID(in.ID)
			if err != nil {
				return httpapi.None{}, err
			}
			return httpapi.None{}, r.service.Delete(ctx, c, a)
		},
		func(httpapi.None) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })
}
