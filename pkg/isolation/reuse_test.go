package isolation

import (
	"net/url"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
)

// A cursor is good for whoever got it, on the list that it is of, with the same filters; for everybody else, and elsewhere, it is
// none.
func TestWalls_CursorOfAnother_W1_W5(t *testing.T) {
	lists := slices.DeleteFunc(guarded(t), func(op operation) bool { return !op.isList() })
	eachOperation(t, operation.isList, func(b *bench, op operation) {
		gave := 0
		for _, a := range b.callers {
			id, cursor := b.cursor(a, op)
			if cursor == "" {
				continue
			}
			gave++
			query := "limit=1&cursor=" + url.QueryEscape(cursor)
			b.try(a, op, id, query, nil, fine, "own cursor")
			for _, c := range b.callers {
				if c.id == a.id && c.at == a.at { // inside a company one is another than outside
					continue
				}
				want := c.admitted(op.permission)
				if want == fine {
					want = invalid // whoever they are, and whatever they may see
				}
				b.try(c, op, id, query, nil, want, "cursor of "+a.name)
				b.cases.cursor++
			}
			for _, other := range lists {
				if other.name == op.name || a.admitted(other.permission) != fine {
					continue
				}
				at := ""
				if other.onOne() {
					o, ok := b.reachable(a, other)
					if !ok {
						continue
					}
					at = o.id
				}
				b.try(a, other, at, query, nil, invalid, "cursor of "+op.name)
				b.cases.cursor++
			}
			for name := range op.query {
				if noun := idOf[name]; noun != "" {
					if o, ok := b.first(noun, a.at); ok && (filter{parameter: name, of: o}).admits(a, op.permission) == fine {
						b.try(a, op, id, query+"&"+name+"="+o.id, nil, invalid, "cursor of another filter")
						b.cases.cursor++
					}
				}
			}
		}
		require.Positive(b.t, gave, "nobody got a cursor of %s", op.name)
	})
}

// reachable is an object that a caller may use an operation on.
func (b *bench) reachable(c caller, op operation) (object, bool) {
	i := slices.IndexFunc(b.objects, func(o object) bool { return o.noun == op.noun() && op.expected(c, o) == fine })
	if i < 0 {
		return object{}, false
	}
	return b.objects[i], true
}

// cursor is one that a caller gets of a list, with the object that the list is of, or "".
func (b *bench) cursor(c caller, op operation) (id, cursor string) {
	if op.expectedAlone(c) != fine && !op.onOne() || c.admitted(op.permission) != fine {
		return "", ""
	}
	on := []object{{}}
	if op.onOne() {
		on = slices.DeleteFunc(slices.Clone(b.objects), func(o object) bool { return o.noun != op.noun() || op.expected(c, o) != fine })
	}
	for _, o := range on {
		got := b.try(c, op, o.id, "limit=1", nil, fine, "first page")
		if _, next := page(b.t, got.Body); next != "" {
			return o.id, next
		}
	}
	return "", ""
}

// made is what is new in every answer: an ID, or the public half of a secret, or what is made up of them.
var made = regexp.MustCompile(`(node|co|role|sa|key|pat|rot|pol|cal|emp|evt|op|api|inv|cred|ses)_[0-9A-Za-z]{20}|rk[a-z]_[0-9A-Za-z_]+`)

// What comes of a call with an Idempotency-Key that somebody else has used for the very same call is what comes of it with a key of
// one's own: neither their answer nor their secret.
func TestWalls_IdempotencyKeyOfAnother_W1_W5(t *testing.T) {
	eachOperation(t, func(op operation) bool { return op.repeatable }, func(b *bench, op operation) {
		first := 0
		for _, a := range b.callers {
			on, ok := b.target(a, op)
			if !ok || !a.first {
				continue
			}
			first++
			id, body := "", b.body(op)
			if op.onOne() {
				id = on.id
			} else {
				op.placed(body, on)
			}
			for _, c := range b.callers {
				if c.id == a.id && c.at == a.at { // inside a company one is another than outside
					continue
				}
				var after [2]httpapitest.Response
				for i, used := range []string{"theirs", "mine"} {
					b.dirty = true
					w := b.clean()
					theirs := w.send(a, op, id, "", body, map[string]string{"Idempotency-Key": used})
					require.Equal(b.t, op.success, theirs.Status, "%s as %s: %s", op.name, a.name, theirs.Body)
					after[i] = w.send(c, op, id, "", body, map[string]string{"Idempotency-Key": "mine"})
					require.Empty(b.t, w.leaks(c, after[i]))
					for _, secret := range regexp.MustCompile(`rk[a-z]_[0-9A-Za-z]{20}_[0-9A-Za-z]+`).FindAllString(theirs.Body, -1) {
						require.NotContains(b.t, after[i].Body, secret, "%s: %s got the secret of %s", op.name, c.name, a.name)
					}
				}
				want, got := after[0], after[1]
				require.Equal(b.t, want.Status, got.Status, "%s: %s after %s: %s", op.name, c.name, a.name, got.Body)
				require.Equal(b.t, made.ReplaceAllString(want.Body, "…"), made.ReplaceAllString(got.Body, "…"), "%s: %s after %s", op.name, c.name, a.name)
				b.cases.repeat++
			}
		}
		require.True(b.t, first > 0 || op.rule.unfinished, "nobody may %s", op.name)
	})
}

// target is what a caller may use an operation on, or make something at.
func (b *bench) target(c caller, op operation) (object, bool) {
	if !op.onOne() && !op.takesPlace() {
		o := object{}
		return o, op.expectedAlone(c) == fine
	}
	if op.onOne() {
		return b.reachable(c, op)
	}
	for _, o := range b.objects {
		if slices.Contains([]string{"nodes", "companies", "service-accounts"}, o.noun) && op.placed(b.body(op), o) && op.admittedTo(c, o) == fine {
			return o, true
		}
	}
	return object{}, false
}

// expectedAlone is what comes of an operation that names neither object nor place.
func (op operation) expectedAlone(c caller) outcome {
	if out := c.admitted(op.permission); out != fine {
		return out
	}
	return op.state(c, object{})
}

// A repeat is authorized anew: who has lost the permission meanwhile does not hear the answer of before.
func TestWalls_RepeatAfterThePermissionIsGone_W2_B6(t *testing.T) {
	eachOperation(t, func(op operation) bool { return op.repeatable }, func(b *bench, op operation) {
		for _, c := range b.callers {
			on, ok := b.target(c, op)
			if !ok || c.custom == "" || op.noun() == "companies" && on.at == c.at && on.noun == "companies" { // what becomes of its own company becomes of the caller
				continue
			}
			id, body := "", b.body(op)
			if op.onOne() {
				id = on.id
			} else {
				op.placed(body, on)
			}
			key := map[string]string{"Idempotency-Key": "again"}
			b.dirty = true
			w := b.clean()
			require.Equal(b.t, op.success, w.send(c, op, id, "", body, key).Status)
			again := w.send(c, op, id, "", body, key)
			require.Equal(b.t, op.success, again.Status, "%s as %s: %s", op.name, c.name, again.Body)
			none := []string{}
			_, err := w.Roles.Patch(w.Ctx, w.As(w.Owner), c.custom, grant.Patch{Permissions: &none})
			require.NoError(b.t, err)
			want := "missing_permission"
			if op.permission == "" {
				want = "not_grantable"
			}
			got := w.send(c, op, id, "", body, key)
			require.Equal(b.t, outcome{403, want}, outcome{got.Status, codeOf(got)}, "%s as %s: %s", op.name, c.name, got.Body)
			r := op.request(id, "", body, key)
			context := w.Caller(c.secret)
			r.Caller = &context
			got = w.Do(r)
			require.Contains(b.t, []int{403, 404}, got.Status, "%s as %s, without the authorizer: %s", op.name, c.name, got.Body)
			b.cases.repeat++
		}
	})
}

// What names neither object nor place is answered by role and place of the caller alone, and shows nothing else.
func TestWalls_OperationsOnNothing_W1_W5(t *testing.T) {
	eachOperation(t, func(op operation) bool { return !op.onOne() && !op.takesPlace() }, func(b *bench, op operation) {
		for _, c := range b.callers {
			body := b.body(op)
			b.try(c, op, "", "", body, op.expectedAlone(c), "alone")
			b.direct(c, op, "", body, op.expectedAlone(c))
			b.cases.alone++
		}
	})
}
