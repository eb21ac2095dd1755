package httpapi

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/page"
)

// Paging is embedded in the input of a list.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"Items wanted on a page"`
	Cursor string `query:"cursor" minLength:"1" maxLength:"2048" doc:"next of the page before. It is good for a day, for whoever got it, with the same filters."`
}

// List is the body of a list.
type List[T any] struct {
	Items []T     `json:"items" nullable:"false" doc:"A filtered page may be short, or empty, although there is a next one"`
	Next  *string `json:"next" doc:"The cursor of the next page; null at the end"`
}

// NewList makes the body of a list; next is "" at the end.
func NewList[T any](items []T, next string) List[T] {
	out := List[T]{Items: items}
	if items == nil {
		out.Items = []T{}
	}
	if next != "" {
		out.Next = &next
	}
	return out
}

// After opens the cursor of the request: the position of the last row of the page before; "" at the beginning.
func (a *API) After(ctx context.Context, cursor string) (string, error) {
	return a.settings.Cursors.Open(ctx, exchangeOf(ctx).scope(), cursor)
}

// Next seals the position of a page's last row for the same caller, list and filters; "" at the end.
func (a *API) Next(ctx context.Context, position string) (string, error) {
	return a.settings.Cursors.Seal(ctx, exchangeOf(ctx).scope(), position)
}

func (x *exchange) scope() page.Scope {
	tenant := ""
	if nodes := x.caller.Place.Nodes(); len(nodes) > 0 {
		tenant = string(nodes[0]) // the root node is the MSP's
	}
	return page.Scope{Tenant: tenant, Principal: x.who(), Route: x.op.Method + " " + x.path, Filters: filters(x.query)}
}
