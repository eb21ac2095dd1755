package authorizer

import (
	"compress/flate"
	"io"
	"strings"

	"github.com/rekey-dev/rekey/pkg/permission"
)

// Table is what the authorizer knows of the operations of an API: a line for each, of two or three parts with a tab between them.
// Of rekey's own API, and of another one (protectedapi.Guard):
//
//	<method> <path template>	<permission>	[<action>/<change>/<target type>]
//	<method> <path template>	<scope>	<kind>
//
// A text costs less than half of what a map does, and a search through it some hundred nanoseconds.
type Table string

// Routes are rekey's own operations that the authorizer guards: routes_gen.txt.
var Routes = unpacked(packedRoutes)

// unpacked inflates a table. It panics on one that is none: it is a constant of the program.
func unpacked(packed string) Table {
	if packed == "" {
		return "" // before it was ever generated
	}
	text, err := io.ReadAll(flate.NewReader(strings.NewReader(packed)))
	if err != nil {
		panic("authorizer: the table of routes: " + err.Error())
	}
	return Table(text)
}

// Route is one operation.
type Route struct {
	// Permission that the caller must hold somewhere; "" when it need only be signed in. Whether it reaches the object is
	// decided where the object is loaded.
	Permission permission.Permission
	rest       string // of the line: of rekey's own API the record of a refusal, of another one the kind of the scope
}

// Denied is the audit record of a refused operation: the same action, with outcome denied.
type Denied struct {
	Action     string // user.updated, service_account.revoked, …
	Change     string // details.change of a user.updated; "" otherwise
	TargetType string // service_account or key; node (the caller's own place) where the object does not exist yet
}

// Find returns the operation of "METHOD /path/{template}"; false when there is none.
func (t Table) Find(asked string) (Route, bool) {
	for lines := string(t); lines != ""; {
		var line string
		line, lines, _ = strings.Cut(lines, "\n")
		if rest, ok := strings.CutPrefix(line, asked); ok && strings.HasPrefix(rest, "\t") {
			needs, rest, _ := strings.Cut(rest[1:], "\t")
			return Route{Permission: permission.Permission(needs), rest: rest}, true
		}
	}
	return Route{}, false
}

// Denied says how a refusal of the operation is recorded; false when it is not.
func (r Route) Denied() (Denied, bool) {
	var d Denied
	var rest string
	d.Action, rest, _ = strings.Cut(r.rest, "/")
	d.Change, d.TargetType, _ = strings.Cut(rest, "/")
	return d, r.rest != ""
}

// Needs tells the permission that a route of rekey's own API needs, "" for none; false when there is no such route.
func Needs(method, route string) (permission.Permission, bool) {
	r, ok := Routes.Find(method + " " + route)
	return r.Permission, ok
}
