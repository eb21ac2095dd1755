package isolation

import (
	"slices"
	"strings"

	"github.com/rekey-dev/rekey/pkg/token"
)

// model is the tree as plain things: who stands where, and what of it is left. It decides what comes of every call of the machine.
type model struct {
	root   string
	above  map[string]string // what each node and company stands directly below; kept when it is gone
	things []*thing          // in the order in which they were made
}

// thing is anything that was made: a node, a company, a role, an account, a key or a person.
type thing struct {
	noun    string // of its path; "people" for those who are hired
	id      string
	name    string
	at      string // of a node: what it is below
	gone    bool
	stopped bool   // of a company: suspended; of an account or a key: revoked
	role    *thing // of an account or a person
	holds   set    // of a role
	own     bool   // of a role: it reaches its holder's own account only
	of      *thing // of a key: its account
	scopes  set    // of a key or a person
	secret  token.Secret
}

func (m *model) covers(a, b string) bool {
	for ; b != ""; b = m.above[b] {
		if a == b {
			return true
		}
	}
	return false
}

func (m *model) all(noun string, keep func(*thing) bool) (out []*thing) {
	for _, x := range m.things {
		if x.noun == noun && !x.gone && (keep == nil || keep(x)) {
			out = append(out, x)
		}
	}
	return out
}

func (m *model) find(id string) *thing {
	i := slices.IndexFunc(m.things, func(x *thing) bool { return x.id == id })
	return m.things[i]
}

// principal is who stands behind a caller: a person, or the account of a key.
func (c *thing) principal() *thing {
	if c.of != nil {
		return c.of
	}
	return c
}

func (c *thing) has(p string) bool { return c.principal().role.holds[p] && c.scopes[p] }

func (c *thing) effective() set { return and(c.principal().role.holds, c.scopes) }

// admitted is what comes of who calls, before anything is looked at.
func (m *model) admitted(c *thing, p string) outcome {
	who := c.principal()
	if who.gone || who.stopped || c.stopped {
		return signedOut
	}
	if strings.HasPrefix(who.at, "co_") {
		if co := m.find(who.at); co.gone || co.stopped {
			return signedOut
		}
	}
	switch {
	case p == "" || c.has(p):
		return fine
	case who.role.holds[p]:
		return outcome{403, "missing_scope"}
	}
	return outcome{403, "missing_permission"}
}

// sees tells whether a caller who holds the permission reaches a thing.
func (m *model) sees(c, x *thing) bool {
	who, at, account := c.principal(), x.at, x
	switch x.noun {
	case "nodes", "companies":
		at = x.id
	case "keys":
		at, account = x.of.at, x.of
	}
	if x.gone || account.gone || !m.covers(who.at, at) {
		return false
	}
	return !(who.role.own && (x.noun == "service-accounts" || x.noun == "keys")) || account == who
}

// on is what comes of using an operation on a thing, as far as place and permission decide it.
func (m *model) on(c *thing, method, p string, x *thing) outcome {
	if out := m.admitted(c, p); out != fine {
		return out
	}
	if x.noun == "roles" && !x.gone && m.covers(x.at, c.principal().at) && !m.covers(c.principal().at, x.at) {
		if method == "GET" {
			return fine
		}
		return outcome{403, "missing_permission"}
	}
	if !m.sees(c, x) {
		return missing
	}
	return fine
}

// taken tells whether a name is among the siblings.
func (m *model) taken(noun, at, name string) bool {
	return len(m.all(noun, func(x *thing) bool { return x.at == at && strings.EqualFold(x.name, name) })) > 0
}

// stands tells whether anything stands directly at a node.
func (m *model) stands(at string) bool {
	return slices.ContainsFunc(m.things, func(x *thing) bool { return !x.gone && x.at == at && x.noun != "keys" })
}

func (m *model) given(role *thing) bool {
	return slices.ContainsFunc(m.things, func(x *thing) bool { return !x.gone && x.role == role })
}

// live are the keys of an account that have not ended.
func (m *model) live(account *thing) []*thing {
	return m.all("keys", func(k *thing) bool { return k.of == account && !k.stopped && !account.stopped })
}

// lists are the IDs of what a list shows to a caller who may read it.
func (m *model) lists(c *thing, noun string) []string {
	out := []string{}
	for _, x := range m.all(noun, nil) {
		if m.sees(c, x) || noun == "roles" && x.at != "" && m.covers(x.at, c.principal().at) {
			out = append(out, x.id)
		}
	}
	return out
}

// assign is what comes of giving a role to an account at a place.
func (m *model) assign(c, role *thing, at string) outcome {
	switch {
	case role.gone || role.at != "" && !m.covers(role.at, at):
		return invalid
	case len(without(role.holds, c.effective())) > 0:
		return outcome{403, "not_grantable"}
	}
	return fine
}
