// Package listing holds what is common to lists of objects by place: the query, and the rows that a store answers with.
//
// An object is listed by one row at each place that covers it, sorted by its folded name and then its ID, so that one query
// lists a subtree. A row says only which object; the objects themselves are read by their IDs.
package listing

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/place"
)

// ReadLimit is the most rows that one page reads to find what a filter wants; a filtered page may come back short.
const ReadLimit = 500

// Noun is what is listed.
type Noun string

const (
	ServiceAccounts Noun = "service_accounts"
	Keys            Noun = "keys"
	KeysByExpiry    Noun = "keys_by_expiry" // by the time of their end, soonest first; with From and Before instead of Prefix
	Calendars       Noun = "calendars"
	Nodes           Noun = "nodes"     // a node stands at itself; with Direct, those directly below the place
	Companies       Noun = "companies" // a company stands at itself; with Direct, those directly under the node
	Roles           Noun = "roles"     // custom ones
	RolesAt         Noun = "roles_at"  // those of the place itself: what whoever stands below it may be given
	Employees       Noun = "employees" // by first and last name
	Tokens          Noun = "tokens"    // personal access tokens: at the place of the employee, and at the employee
	ProtectedAPIs   Noun = "protected_apis"
	ProtectedAPIsAt Noun = "protected_apis_at" // those of the place itself: what whoever stands below it may hold scopes of
	Policies        Noun = "policies"          // rows hold the ID of what a policy is attached to; they have no name
)

// Query selects rows of one place.
type Query struct {
	Noun   Noun
	Place  string // ID of a node or a company; for Tokens of an employee too
	Direct bool   // only objects of the place itself
	Prefix string // of the name; compared folded
	From   time.Time
	Before time.Time
	After  string // position of the last row of the page before; "" to begin
	Limit  int    // rows wanted, at most ReadLimit
}

// Row is one listed object.
type Row struct {
	ID       string
	Position string // to go on after this row
}

// Page is a part of a query's rows, in order.
type Page struct {
	Rows []Row
	Next string // position to go on from; "" at the end. With Direct, a page may be short although there are more
}

// Collect reads rows until a page is full, the list ends, or ReadLimit rows were read. take reads what the rows are of and
// returns what the list wants of it. It returns the position to go on from, "" at the end.
func Collect[T any](ctx context.Context, list func(context.Context, Query) (Page, error), q Query, limit int, take func(Page) ([]T, error)) ([]T, string, error) {
	var out []T
	for read := 0; ; {
		q.Limit = min(limit-len(out), ReadLimit-read)
		rows, err := list(ctx, q)
		if err != nil {
			return nil, "", err
		}
		wanted, err := take(rows)
		if err != nil {
			return nil, "", err
		}
		out = append(out, wanted...)
		q.After = rows.Next
		if read += max(len(rows.Rows), 1); rows.Next == "" || len(out) >= limit || read >= ReadLimit {
			return out, rows.Next, nil
		}
	}
}

// Where is the place filter of a list: a node with everything below it, only the node itself, or a company. The zero Where
// is the caller's own place.
type Where struct {
	Node    id.Node
	Direct  bool
	Company id.Company
}

// Places finds nodes and companies; one that is not there, and a company that was deleted, is a fault of kind not_found.
type Places interface {
	Node(ctx context.Context, n id.Node) (node.Node, error)
	Company(ctx context.Context, c id.Company) (company.Company, error)
}

// Resolve returns the place that a list is of. A place that is not there, or that the caller's own does not cover, is not
// found.
func (w Where) Resolve(ctx context.Context, places Places, caller authz.Caller) (place.Place, error) {
	at, what := caller.Place, "place"
	switch {
	case w.Company != "":
		c, err := places.Company(ctx, w.Company)
		if err != nil {
			return place.Place{}, err
		}
		at, what = c.Place, "company"
	case w.Node != "":
		n, err := places.Node(ctx, w.Node)
		if err != nil {
			return place.Place{}, err
		}
		at, what = n.Place, "node"
	}
	if !caller.Place.Covers(at) {
		return place.Place{}, fault.Missing(what)
	}
	return at, nil
}
