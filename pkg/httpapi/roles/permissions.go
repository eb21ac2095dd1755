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

type permissionsInput struct {
	AssignableTo string `query:"assignable_to" enum:"employee,service_account" doc:"Only what such a principal can hold"`
	httpapi.Paging
}

func (r resource) registerPermissions() {
	httpapi.Register(r.api, httpapi.Operation{ID: "listPermissions", Method: http.MethodGet, Path: "/permissions", Tag: noun,
		Summary: "List permissions", Description: "By name. What a service account can hold: assignable_to=service_account.",
		Access: httpapi.SignedIn}, r.permissions,
		func(l httpapi.List[Permission]) httpapi.Answer[httpapi.List[Permission]] {
			return httpapi.Answer[httpapi.List[Permission]]{Body: l}
		})
}

// permissions cuts a page out of the catalogue, which is code, by name; the position is the ID of the page's last entry.
func (r resource) permissions(ctx context.Context, _ call.Call, in *permissionsInput) (httpapi.List[Permission], error) {
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
	slices.SortFunc(all, func(x, y Permission) int {
		return cmp.Or(cmp.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name)), cmp.Compare(x.ID, y.ID))
	})
	after, err := r.api.After(ctx, in.Cursor)
	if err != nil {
		return httpapi.List[Permission]{}, err
	}
	if after != "" {
		all = all[slices.IndexFunc(all, func(p Permission) bool { return p.ID == after })+1:]
	}
	position := ""
	if len(all) > in.Limit {
		all = all[:in.Limit]
		position = all[in.Limit-1].ID
	}
	next, err := r.api.Next(ctx, position)
	return httpapi.NewList(all, next), err
}
