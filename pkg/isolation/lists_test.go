package isolation

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// filter is what a list is narrowed to: what a parameter names.
type filter struct {
	parameter string // "" for none
	of        object
	direct    bool
}

func (f filter) query() string {
	switch {
	case f.parameter == "":
		return ""
	case f.direct:
		return f.parameter + "=" + f.of.id + "&direct=true"
	}
	return f.parameter + "=" + f.of.id
}

// keeps tells whether an object is what a list is narrowed to.
func (f filter) keeps(o object) bool {
	switch {
	case f.parameter == "":
		return true
	case f.parameter == "q":
		return o.id == f.of.id
	case f.parameter == "role_id":
		return string(o.who.role) == f.of.id
	case f.parameter == "parent_id":
		return above[o.at] == f.of.at
	case f.direct && o.noun == "companies":
		return above[o.at] == f.of.at
	case f.direct:
		return o.at == f.of.at
	case f.of.noun == "service-accounts", f.of.noun == "employees":
		return o.of == f.of.id
	}
	return covers(f.of.at, o.at)
}

// admits is what comes of naming something in a filter, for a caller that holds the permission.
func (f filter) admits(c caller, permission string) outcome {
	switch {
	case f.parameter == "" || f.parameter == "q" || f.parameter == "role_id" || idOf[f.parameter] == "":
		return fine
	case f.of.noun == "employees":
		if f.of.id == c.id || c.has("employees:update") && covers(c.at, f.of.at) {
			return fine
		}
		if c.person && !c.inside && c.role["employees:update"] && covers(c.at, f.of.at) {
			return outcome{403, "missing_scope"}
		}
		return missing
	case !covers(c.at, f.of.at), f.of.noun == "service-accounts" && c.own[permission] && f.of.of != c.id:
		return missing
	}
	return fine
}

// lists tells whether a list shows an object to a caller.
func (op operation) lists(c caller, f filter, o object) bool {
	if o.noun != op.noun() || !f.keeps(o) {
		return false
	}
	switch o.noun {
	case "roles": // of a place above its own a caller sees what can be given at its own
		return covers(c.at, o.at) || covers(o.at, c.at)
	case "sessions": // one's own, where nobody else's are asked for
		return f.parameter != "" || o.of == c.id
	case "personal-access-tokens":
		return o.of == c.id || c.has("employees:update") && covers(c.at, o.at)
	}
	return covers(c.at, o.at) && !(c.own[op.permission] && o.of != c.id)
}

// all are the objects as they are now.
func (w *world) all(noun string) []object {
	if noun != "audit-events" {
		return w.objects
	}
	at := map[string]spot{}
	for s, p := range w.places {
		at[p.ID()] = s
	}
	var out []object
	for _, e := range w.Mem.Events() {
		out = append(out, object{noun: noun, id: string(e.ID), at: at[e.Place.ID()]})
	}
	return out
}

// filters are all by which a list can be narrowed to a place or an object.
func (b *bench) filters(op operation, c caller) []filter {
	out := []filter{{}}
	for _, name := range slices.Sorted(maps.Keys(op.query)) {
		switch noun, known := idOf[name]; {
		case name == "q":
			for _, o := range b.those(op.noun(), c) {
				out = append(out, filter{parameter: name, of: o})
			}
		case known && noun != "":
			for _, o := range b.those(noun, c) {
				out = append(out, filter{parameter: name, of: o})
				if noun == "nodes" && op.query["direct"] != nil {
					out = append(out, filter{parameter: name, of: o, direct: true})
				}
			}
		case known:
			for _, noun := range []string{"service-accounts", "keys", "employees", "companies"} {
				for _, o := range b.those(noun, c) {
					out = append(out, filter{parameter: name, of: o})
				}
			}
		}
	}
	return out
}

// A list holds what its caller sees of what it is narrowed to, all of it and nothing else, page by page. What a caller does not see
// narrows a list as what is not there does.
func TestWalls_ListsAndIDsInTheQuery_W1_W5(t *testing.T) {
	eachOperation(t, func(op operation) bool { return op.isList() && !op.onOne() && !op.rule.catalogue }, func(b *bench, op operation) {
		for _, c := range b.callers {
			nothing, there := map[string]any{}, b.all(op.noun())
			for _, f := range b.filters(op, c) {
				what := fmt.Sprintf("%s at %s", f.of.noun, f.of.at)
				want := op.expectedAlone(c)
				if want == fine {
					want = f.admits(c, op.permission)
				}
				b.cases.count(f)
				if want != fine {
					got := b.try(c, op, "", f.query(), nil, want, what)
					if want == missing {
						if nothing[f.parameter] == nil {
							gone := f
							gone.of.id, gone.direct = absent(f.of.id), false
							nothing[f.parameter] = b.clean().send(c, op, "", gone.query(), nil, nil)
						}
						require.Equal(b.t, nothing[f.parameter], got, "%s as %s: what is at %s can be told from nothing", op.name, c.name, f.of.at)
					}
					continue
				}
				got := b.read(c, op, f.query(), what)
				expected := []string{}
				searched := op.noun() == "audit-events" && !slices.Contains([]string{"", "node_id", "company_id"}, f.parameter)
				for _, o := range there {
					if op.lists(c, f, o) || searched && op.lists(c, filter{}, o) {
						expected = append(expected, o.id)
					}
				}
				if searched { // which records are found is not the walls' business
					require.Subset(b.t, expected, got, "%s %s as %s", op.name, f.query(), c.name)
					continue
				}
				require.ElementsMatch(b.t, expected, got, "%s %s as %s, %s", op.name, f.query(), c.name, what)
			}
		}
	})
}

// seen are the IDs of all that a list has for a caller.
func (b *bench) seen(c caller, op operation) (out []string) {
	for _, o := range b.all(op.noun()) {
		if op.lists(c, filter{}, o) {
			out = append(out, o.id)
		}
	}
	return out
}

// read reads a list to its end; built-in roles, which are everybody's, are left out.
func (b *bench) read(c caller, op operation, query, what string) []string {
	b.t.Helper()
	out := []string{}
	for cursor := ""; ; {
		got := b.try(c, op, "", strings.TrimPrefix(query+"&limit=20"+cursor, "&"), nil, fine, what)
		items, next := page(b.t, got.Body)
		for _, id := range items {
			require.NotContains(b.t, out, id, "%s lists it twice", op.name)
			if !strings.HasPrefix(id, "role_Builtin") {
				out = append(out, id)
			}
		}
		if next == "" {
			return out
		}
		cursor = "&cursor=" + url.QueryEscape(next)
	}
}

// page are the IDs on a page, and its cursor.
func page(t *testing.T, body string) (out []string, next string) {
	t.Helper()
	var p struct {
		Items []struct {
			ID      string `json:"id"`
			Company string `json:"company_id"`
		} `json:"items"`
		Next *string `json:"next"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &p), body)
	for _, i := range p.Items {
		if i.ID == "" {
			i.ID = i.Company
		}
		out = append(out, i.ID)
	}
	if p.Next != nil {
		next = *p.Next
	}
	return out, next
}

// The file that compliance reads of a list holds what the list holds.
func TestWalls_FileOfAList_B9_W5(t *testing.T) {
	csv := func(op operation) bool { return op.isList() && slices.Contains(op.formats(), "format=csv") }
	eachOperation(t, csv, func(b *bench, op operation) {
		for _, c := range b.callers {
			got := b.try(c, op, "", "format=csv&limit=100", nil, c.admitted(op.permission), "as a file")
			b.cases.list++
			if got.Status != 200 {
				continue
			}
			found := map[string]bool{}
			for _, id := range ids.FindAllString(got.Body, -1) {
				if o, known := b.byID[id]; known && o.noun == op.noun() {
					found[id] = true
				}
			}
			require.ElementsMatch(b.t, b.seen(c, op), slices.Collect(maps.Keys(found)), "%s as %s", op.name, c.name)
		}
	})
}
