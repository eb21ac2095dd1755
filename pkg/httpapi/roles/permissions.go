package roles

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
)

// Permission is a word of the catalogue, or a scope that a protected API declares.
type Permission struct {
	ID             string   `json:"id" maxLength:"81" example:"service_accounts:rotate"`
	Name           string   `json:"name" maxLength:"100" example:"Rotate Service Account Secret"`
	Description    string   `json:"description" maxLength:"500"`
	Category       string   `json:"category" maxLength:"100" doc:"The name of the API, for a scope that a protected API declares"`
	AssignableTo   []string `json:"assignable_to" enum:"employee,service_account" maxItems:"2"`
	Kind           *string  `json:"kind" doc:"Of a protected API's scope: read, execute, write or delete; null for a permission of rekey's own"`
	ProtectedAPIID *string  `json:"protected_api_id" doc:"The API that declares it; null for a permission of rekey's own"`
}

// scopesOf are what a protected API declares.
func scopesOf(a protectedapi.API) (out []Permission) {
	for _, s := range a.Scopes {
		p := Permission{ID: string(s.Name), Name: string(s.Name), Description: s.Description, Category: a.Name, Kind: httpapi.Text(s.Kind),
			AssignableTo: []string{string(role.Employee), string(role.ServiceAccount)}, ProtectedAPIID: httpapi.Text(a.ID)}
		if p.Description == "" {
			p.Description = "A scope of kind " + string(s.Kind) + "."
		}
		out = append(out, p)
	}
	return out
}

type permissionsInput struct {
	AssignableTo string `query:"assignable_to" enum:"employee,service_account" doc:"Only what such a principal can hold"`
	httpapi.Paging
}

func (r resource) registerPermissions() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listPermissions", Method: http.MethodGet, Path: "/permissions", Tag: noun,
		Summary: "List permissions", Description: "By name, together with the scopes of the protected APIs that keys of the caller's place can open, or that are registered below it. What a service account can hold: assignable_to=service_account.",
		Access: httpapi.SignedIn}, r.permissions,
		func(l httpapi.List[Permission]) httpapi.Answer[httpapi.List[Permission]] {
			return httpapi.Answer[httpapi.List[Permission]]{Body: l}
		})
}

// permissions cuts a page out of the catalogue, which is code, and of what protected APIs declare, by name.
func (r resource) permissions(ctx context.Context, c call.Call, in *permissionsInput) (httpapi.List[Permission], error) {
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
	apis, err := r.service.Scopes(ctx, c)
	if err != nil {
		return httpapi.List[Permission]{}, err
	}
	for _, a := range apis {
		all = append(all, scopesOf(a)...)
	}
	slices.SortFunc(all, func(x, y Permission) int { return cmp.Compare(position(x), position(y)) })
	after, err := r.api.After(ctx, in.Cursor)
	if err != nil {
		return httpapi.List[Permission]{}, err
	}
	all = slices.DeleteFunc(all, func(p Permission) bool { return after != "" && position(p) <= after })
	last := ""
	if len(all) > in.Limit {
		all = all[:in.Limit]
		last = position(all[in.Limit-1])
	}
	next, err := r.api.Next(ctx, last)
	return httpapi.NewList(all, next), err
}

// position sorts by name, and then by ID.
func position(p Permission) string { return strings.ToLower(p.Name) + "\x00" + p.ID }
