// Package protectedapi is the APIs of the account that rekey guards besides its own: which of its stages needs which scope for which
// route, and what those scopes are.
//
// An API belongs to a node. Its scopes are named after its slug, "<slug>:<word>"; roles and keys at the node and below can hold
// them, elsewhere they do not exist, and a scope that no registration declares opens nothing. A slug belongs to its node for ever:
// keys that still name scopes of an API that is gone can only open one that is registered in its place.
//
// Two things find a registration: a verdict by the API's ID and stage as API Gateway calls them, and whoever grants a scope by its
// slug. Both are kept beside it, and change with it in one transaction. The package knows neither HTTP nor storage.
package protectedapi

import (
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Mode says what the authorizer does at the API's routes.
type Mode string

const (
	Enforce     Mode = "enforce"      // allows a route to who holds its scope; a route that is not registered is denied
	ContextOnly Mode = "context_only" // allows every accepted key and hands on who it is; the API decides
)

// API is one registration: a stage of an API of the account. Its node and its slug never change.
type API struct {
	ID            id.ProtectedAPI
	Name          string
	Slug          string
	Place         place.Place // of its node
	GatewayID     string      // of the API in API Gateway
	Stage         string
	Mode          Mode
	Scopes        []Scope
	Routes        []Route
	CreatedBy     string
	CreatedByName string
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Version       int64
	EventSeq      int64
}

// Scope is one that an API declares.
type Scope struct {
	Name        permission.Permission // "<slug>:<word>"
	Kind        permission.Kind
	Description string
}

// Route is an operation of an API, as API Gateway knows it, and the scope that it needs.
type Route struct {
	Method string // ANY for each that has no route of its own on the path
	Path   string // template of the path; $default for an HTTP API's default route
	Scope  permission.Permission
}

// Declared is what is found by a slug: where the scopes can be held, and what there are.
type Declared struct {
	ID     id.ProtectedAPI
	Slug   string
	Name   string
	Place  place.Place
	Scopes []Scope // without their descriptions
}

// Declared is what granting a scope needs of an API.
func (a API) Declared() Declared {
	out := Declared{ID: a.ID, Slug: a.Slug, Name: a.Name, Place: a.Place}
	for _, s := range a.Scopes {
		out.Scopes = append(out.Scopes, Scope{Name: s.Name, Kind: s.Kind})
	}
	return out
}

// Guard is what a verdict needs of an API.
type Guard struct {
	Place       place.Place
	ContextOnly bool
	// Routes has a line for each: "<METHOD> <path>", the scope and its kind, with a tab between two.
	Routes string
}

// Guard is what a verdict needs of the API.
func (a API) Guard() Guard {
	kinds := make(map[permission.Permission]permission.Kind, len(a.Scopes))
	for _, s := range a.Scopes {
		kinds[s.Name] = s.Kind
	}
	var lines strings.Builder
	for _, r := range a.Routes {
		lines.WriteString(r.Method + " " + r.Path + "\t" + string(r.Scope) + "\t" + string(kinds[r.Scope]) + "\n")
	}
	return Guard{Place: a.Place, ContextOnly: a.Mode == ContextOnly, Routes: lines.String()}
}

// Paths are the API's routes in their order, each "<METHOD> <path>".
func (a API) Paths() []string {
	out := make([]string, len(a.Routes))
	for i, r := range a.Routes {
		out[i] = r.Method + " " + r.Path
	}
	return out
}

// RoutesOf reads what Guard wrote.
func RoutesOf(lines string) (out []Route) {
	for line := range strings.Lines(lines) {
		asked, rest, _ := strings.Cut(line, "\t")
		scope, _, _ := strings.Cut(rest, "\t")
		method, path, _ := strings.Cut(asked, " ")
		out = append(out, Route{Method: method, Path: path, Scope: permission.Permission(scope)})
	}
	return out
}

// Create puts a new registration and the rows that list it. It is lost when the ID exists, the node does not, an API of the node has
// the name, the stage is registered, or the slug is, or was once at another node.
type Create struct{ API API }

func (Create) Write() {}

// Update changes a registration, on condition of Old's version and event seq. It is lost, too, when an API of the node has the new
// name, or when the stage that it is of now is registered.
type Update struct{ Old, New API }

func (Update) Write() {}

// Delete removes a registration, on condition of Old's version and event seq. Its slug stays its node's.
type Delete struct{ Old API }

func (Delete) Write() {}
