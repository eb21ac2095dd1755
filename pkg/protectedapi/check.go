package protectedapi

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/permission"
)

// Bounds of a registration. What a verdict reads of it is one read unit.
const (
	MaxSlug        = 30   // characters
	MaxScopes      = 40   // of an API
	MaxDescription = 200  // characters of a scope's
	MaxRoutes      = 100  // of an API
	MaxPath        = 200  // bytes
	MaxRouteTable  = 3000 // bytes of Guard.Routes
	MaxGatewayID   = 40   // characters
	MaxStage       = 128  // characters
)

// methods are those that API Gateway knows.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ANY"}

// CheckSlug says what is wrong with a slug; "" when it is fine.
func CheckSlug(slug string) string {
	switch {
	case slug == "" || len(slug) > MaxSlug || !of(slug, slugs) || slug[0] < 'a' || slug[0] > 'z':
		return "is not 1 to 30 of a-z, 0-9, _ and -, the first a letter"
	case permission.IsResource(slug):
		return "is a word of rekey's own permissions"
	}
	return ""
}

// The characters of slugs and words, of API Gateway's IDs, of its stages, and of what stands in a path beside parameters.
const (
	slugs     = "abcdefghijklmnopqrstuvwxyz0123456789_-"
	gatewayID = "abcdefghijklmnopqrstuvwxyz0123456789"
	stages    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + slugs
	literals  = stages + ".~:@!$&'()*+,=%"
)

// of tells whether a text is not empty and of the characters.
func of(s, characters string) bool { return s != "" && strings.Trim(s, characters) == "" }

// check says everything that is wrong with a registration.
func (a API) check() error {
	var bad []fault.Field
	wrong := func(pointer, problem string) {
		if problem != "" {
			bad = append(bad, fault.Field{Pointer: pointer, Detail: problem})
		}
	}
	wrong("/name", name.Check(a.Name))
	wrong("/slug", CheckSlug(a.Slug))
	if len(a.GatewayID) > MaxGatewayID || !of(a.GatewayID, gatewayID) {
		wrong("/api_id", "is no ID of API Gateway: 1 to 40 of a-z and 0-9, as in https://<api_id>.execute-api.…")
	}
	if a.Stage != "$default" && (len(a.Stage) > MaxStage || !of(a.Stage, stages)) {
		wrong("/stage", "is no stage: 1 to 128 of A-Z, a-z, 0-9, _ and -, or $default")
	}
	if a.Mode != Enforce && a.Mode != ContextOnly {
		wrong("/mode", "is neither enforce nor context_only")
	}
	bad = append(bad, a.checkScopes()...)
	bad = append(bad, a.checkRoutes()...)
	return fault.InvalidFields(bad)
}

func (a API) checkScopes() (bad []fault.Field) {
	if len(a.Scopes) > MaxScopes {
		return []fault.Field{{Pointer: "/scopes", Detail: "has more than 40 entries"}}
	}
	seen := map[permission.Permission]bool{}
	for i, s := range a.Scopes {
		at := "/scopes/" + strconv.Itoa(i)
		word, ok := strings.CutPrefix(string(s.Name), a.Slug+":")
		switch {
		case !ok || !permission.IsProtected(string(s.Name)) || word[0] < 'a' || word[0] > 'z':
			bad = append(bad, fault.Field{Pointer: at + "/name",
				Detail: `is not "` + a.Slug + `:" and a word of a-z, 0-9, _ and - that begins with a letter, together at most 40 characters`})
		case seen[s.Name]:
			bad = append(bad, fault.Field{Pointer: at + "/name", Detail: string(s.Name) + " is declared twice"})
		}
		seen[s.Name] = true
		if !slices.Contains(permission.Kinds[:], s.Kind) {
			bad = append(bad, fault.Field{Pointer: at + "/kind", Detail: "is none of read, execute, write, delete"})
		}
		if problem := name.CheckDescription(s.Description); problem != "" || len([]rune(s.Description)) > MaxDescription {
			bad = append(bad, fault.Field{Pointer: at + "/description", Detail: "is longer than 200 characters, or has some that cannot be seen"})
		}
	}
	return bad
}

func (a API) checkRoutes() (bad []fault.Field) {
	if len(a.Routes) > MaxRoutes {
		return []fault.Field{{Pointer: "/routes", Detail: "has more than 100 entries"}}
	}
	seen := map[string]bool{}
	for i, r := range a.Routes {
		at := "/routes/" + strconv.Itoa(i)
		if !slices.Contains(methods, r.Method) {
			bad = append(bad, fault.Field{Pointer: at + "/method", Detail: "is none of " + strings.Join(methods, ", ")})
		}
		if problem := checkPath(r.Path); problem != "" {
			bad = append(bad, fault.Field{Pointer: at + "/path", Detail: problem})
		} else if asked := r.Method + " " + r.Path; seen[asked] {
			bad = append(bad, fault.Field{Pointer: at, Detail: asked + " is listed twice"})
		} else {
			seen[asked] = true
		}
		if !slices.ContainsFunc(a.Scopes, func(s Scope) bool { return s.Name == r.Scope }) {
			bad = append(bad, fault.Field{Pointer: at + "/scope", Detail: "is none of the API's scopes"})
		}
	}
	if n := len(a.Guard().Routes); n > MaxRouteTable && len(bad) == 0 {
		bad = append(bad, fault.Field{Pointer: "/routes", Detail: "are too long together: their methods, paths, scopes and kinds have " + strconv.Itoa(n) +
			" bytes of 3000; a template with {proxy+} covers many"})
	}
	return bad
}

// checkPath says what is wrong with a path's template; "" when it is fine. API Gateway's are "/" and segments, each a literal or one
// parameter, "{name}", of which the last may be "{name+}": all that follows.
func checkPath(path string) string {
	const no = "is no path template of API Gateway, such as /recordings/{id} or /{proxy+}, nor $default"
	if path == "$default" || path == "/" {
		return ""
	}
	rest, ok := strings.CutPrefix(path, "/")
	if !ok || len(path) > MaxPath {
		return no
	}
	segments := strings.Split(rest, "/")
	for i, s := range segments {
		parameter, braced := strings.CutPrefix(s, "{")
		if !braced {
			if !of(s, literals) {
				return no
			}
			continue
		}
		parameter, closed := strings.CutSuffix(parameter, "}")
		if i == len(segments)-1 {
			parameter = strings.TrimSuffix(parameter, "+")
		}
		if !closed || !of(parameter, stages+".$:") {
			return no
		}
	}
	return ""
}
