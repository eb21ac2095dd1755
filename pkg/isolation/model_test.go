package isolation

import (
	"slices"
	"strings"

	"github.com/rekey-dev/rekey/pkg/permission"
)

// set is a set of permissions in words.
type set map[string]bool

func of(words ...string) set {
	out := set{}
	for _, w := range words {
		out[w] = true
	}
	return out
}

func (s set) list() []string {
	out := []string{}
	for w := range s {
		out = append(out, w)
	}
	slices.Sort(out)
	return out
}

func union(a, b set) set { return of(append(a.list(), b.list()...)...) }
func without(a, b set) set {
	return of(slices.DeleteFunc(a.list(), func(w string) bool { return b[w] })...)
}
func and(a, b set) set {
	return of(slices.DeleteFunc(a.list(), func(w string) bool { return !b[w] })...)
}

func everything() set {
	out := set{}
	for _, e := range permission.Catalogue() {
		out[string(e.ID)] = true
	}
	return out
}

func reads() set {
	return of(slices.DeleteFunc(everything().list(), func(w string) bool { return !strings.HasSuffix(w, ":read") })...)
}

// machine is what a service account can hold.
func machine() set {
	return without(everything(), of("service_accounts:create", "service_accounts:update", "service_accounts:rotate", "service_accounts:delete",
		"keys:issue", "keys:revoke", "keys:unlock", "companies:assume", "incidents:run"))
}

// assumed is what an employee can do inside a company.
func assumed() set {
	of := func(noun string, verbs ...string) (out []string) {
		for _, v := range verbs {
			out = append(out, noun+":"+v)
		}
		return out
	}
	out := set{}
	for _, words := range [][]string{of("companies", "read", "update"), of("billing", "read"), of("service_accounts", "read", "create", "update", "rotate", "delete"),
		of("keys", "read", "issue", "revoke", "unlock", "verify"), of("rotations", "read", "manage"), of("policies", "read", "manage"), of("credentials", "read", "manage"),
		of("apps", "read", "manage"), of("gateways", "read", "manage"), of("webhooks", "read", "manage"), of("audit", "read")} {
		for _, w := range words {
			out[w] = true
		}
	}
	return out
}

// staffing is what it takes to manage people, and nothing that they have.
func staffing() set {
	return of("employees:read", "employees:invite", "employees:update", "employees:delete", "employees:reset_second_factor", "credentials:read", "credentials:manage")
}

func integration() set { return of("service_accounts:read", "keys:read") }

func automation() set {
	return union(integration(), of("companies:read", "rotations:manage", "apps:manage", "keys:rotate_self", "keys:verify"))
}

// covers tells whether who stands at a spot reaches what stands at another.
func covers(a, b spot) bool {
	for ; b != ""; b = above[b] {
		if a == b {
			return true
		}
	}
	return false
}

// outcome is what comes of a request: a status and, of a problem, its code.
type outcome struct {
	status int
	code   string
}

var (
	signedOut = outcome{401, "unauthorized"}
	missing   = outcome{404, "not_found"}
	invalid   = outcome{422, "invalid"}
	fine      = outcome{} // whatever the operation's success is
)

// admitted is what comes of a caller's place and role alone, before any object is looked at.
func (c caller) admitted(p string) outcome {
	switch {
	case c.at == suspendedCo:
		return signedOut
	case p == "" || c.has(p):
		return fine
	case c.role[p]:
		return outcome{403, "missing_scope"}
	}
	return outcome{403, "missing_permission"}
}

// reaches is what comes of where an object stands, for a caller that holds the permission.
func (c caller) reaches(method, p string, o object) outcome {
	switch {
	case o.noun == "personal-access-tokens", o.noun == "sessions": // one's own, or with the permission to look after employees those below
		if !c.inside && (o.of == c.id || c.has("employees:update") && covers(c.at, o.at)) || c.inside && o.id == sessionOf(c.secret) {
			return fine
		}
		if c.person && !c.inside && c.role["employees:update"] && covers(c.at, o.at) {
			return outcome{403, "missing_scope"}
		}
		return missing
	case o.noun == "credentials":
		return c.keys(map[string]string{"GET": "credentials:read", "DELETE": "credentials:manage"}[method], o)
	case o.noun == "roles" && covers(o.at, c.at) && method == "GET": // what can be given at one's place is seen there
		return fine
	case o.noun == "roles" && covers(o.at, c.at) && !covers(c.at, o.at):
		return outcome{403, "missing_permission"}
	case !covers(c.at, o.at), c.own[p] && o.of != c.id:
		return missing
	}
	return fine
}

// inPerson tells whether the caller is as good as the employee: signed in, or with a token that carries all of the role.
func (c caller) inPerson() bool {
	return c.person && !c.inside && (c.key || len(without(c.role, c.scopes)) == 0)
}

// keys is what comes of using passkeys of an employee: one's own outside of companies, or with the permission those below.
func (c caller) keys(p string, o object) outcome {
	switch {
	case !c.inside && o.of == c.id:
		return fine
	case !covers(c.at, o.at):
		return missing
	case c.has(p):
		return fine
	case !c.person && !c.role[p]: // a machine sees what its role reaches
		return missing
	case c.role[p]:
		return outcome{403, "missing_scope"}
	}
	return outcome{403, "missing_permission"}
}
