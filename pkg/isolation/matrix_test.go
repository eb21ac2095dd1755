package isolation

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/id"
)

// counter counts what was tried, by the way in which an object was named.
type counter struct{ path, kind, body, reference, query, list, cursor, repeat, alone int }

func (c *counter) count(f filter) {
	if f.parameter == "" {
		c.list++
	} else {
		c.query++
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	var c counter
	for len(idle) > 0 {
		b := (<-idle).cases
		c = counter{c.path + b.path, c.kind + b.kind, c.body + b.body, c.reference + b.reference, c.query + b.query, c.list + b.list, c.cursor + b.cursor,
			c.repeat + b.repeat, c.alone + b.alone}
	}
	fmt.Printf("isolation: %d cases: %d IDs in the path, %d of another kind there, %d places in the body, %d references in the body, %d IDs in the query, "+
		"%d lists, %d cursors, %d idempotency keys, %d without an object\n",
		c.path+c.kind+c.body+c.reference+c.query+c.list+c.cursor+c.repeat+c.alone, c.path, c.kind, c.body, c.reference, c.query, c.list, c.cursor, c.repeat, c.alone)
	os.Exit(code)
}

// bench is a world that goes back to its beginning when a case has changed it.
type bench struct {
	*world
	t     *testing.T
	back  func()
	dirty bool
	cases counter
}

// idle are benches that wait for the next test. All are alike: it takes longer to furnish a world than to try what one does in it.
var idle = make(chan *bench, 64)

func newBench(t *testing.T) *bench {
	var b *bench
	t.Cleanup(func() { // after the world was judged
		b.dirty = true
		idle <- b
	})
	select {
	case b = <-idle:
		b.t, b.World.T, b.World.World.T = t, t, t
	default:
		w := newWorld(t)
		b = &bench{world: w, t: t, back: w.Keep()}
	}
	return b
}

func (b *bench) clean() *world {
	if b.dirty {
		b.back()
		b.dirty = false
	}
	b.Log.Reset()
	return b.world
}

func (o outcome) or(success int) outcome {
	if o == fine {
		return outcome{status: success}
	}
	return o
}

// expected is what comes of an operation on an object.
func (op operation) expected(c caller, o object) outcome {
	if out := c.admitted(op.permission); out != fine {
		return out
	}
	if out := c.reaches(op.method, op.permission, o); out != fine && !op.rule.anywhere {
		return out
	}
	return op.state(c, o)
}

// state is what comes of an operation for who may.
func (op operation) state(c caller, o object) outcome {
	if op.rule.then == nil {
		return fine
	}
	return op.rule.then(c, o)
}

// try makes a request and holds its answer against what was to come of it, and against what the caller may see. What is refused
// has written nothing, but for the record of a 403.
func (b *bench) try(c caller, op operation, id, query string, body map[string]any, want outcome, what string) httpapitest.Response {
	b.t.Helper()
	w := b.clean()
	var got httpapitest.Response
	writes := wrote(w, func() { got = w.send(c, op, id, query, body, nil) })
	what = fmt.Sprintf("%s %s as %s, %s", op.name, query, c.name, what)
	want = want.or(op.success)
	require.Equal(b.t, want, outcome{got.Status, codeOf(got)}, "%s: %s", what, got.Body)
	switch {
	case want.status < 300:
		b.dirty = b.dirty || len(writes) > 0
	case want.status == 403:
		require.LessOrEqual(b.t, len(writes), 1, what)
		require.Subset(b.t, []string{"Deny"}, writes, what)
	default:
		require.Empty(b.t, writes, what)
	}
	require.Empty(b.t, w.leaks(c, got), "%s: %s", what, got.Body)
	return got
}

func codeOf(r httpapitest.Response) string {
	var p struct {
		Code string `json:"code"`
	}
	if r.Status < 400 || json.Unmarshal([]byte(r.Body), &p) != nil {
		return ""
	}
	return p.Code
}

var (
	ids   = regexp.MustCompile(`[a-z]+_[0-9A-Za-z]{20}`)
	marks = regexp.MustCompile(`\b[qQ]{2}[A-Za-z]+`)
)

// leaks are the IDs and names in an answer that its caller is not to learn.
func (w *world) leaks(c caller, r httpapitest.Response) (out []string) {
	text := r.Body
	for name, value := range r.Header {
		text += "\n" + name + ": " + value
	}
	for _, id := range ids.FindAllString(text, -1) {
		if o, known := w.byID[id]; known && !c.mayLearn(o) {
			out = append(out, o.noun+" "+id+" at "+string(o.at))
		}
	}
	for _, name := range marks.FindAllString(text, -1) {
		i := slices.IndexFunc(spots, func(s spot) bool { return strings.EqualFold("QQ"+string(s), name) })
		if at := spots[max(i, 0)]; i >= 0 && !covers(c.at, at) && !covers(at, c.at) {
			out = append(out, name)
		}
	}
	return out
}

// mayLearn tells whether an ID may be in an answer: of what stands at or below the caller's place; and of what is above, the nodes
// on the way down, what is inherited from there, and who did something here.
func (c caller) mayLearn(o object) bool {
	return covers(c.at, o.at) || covers(o.at, c.at) &&
		slices.Contains([]string{"nodes", "roles", "rotation-policies", "calendars", "employees", "personal-access-tokens", "sessions", "credentials", "protected-apis"}, o.noun)
}

// eachOperation runs a part for each operation, in a world of its own.
func eachOperation(t *testing.T, wanted func(operation) bool, part func(b *bench, op operation)) {
	for _, op := range guarded(t) {
		if wanted(op) {
			t.Run(op.name, func(t *testing.T) {
				t.Parallel()
				part(newBench(t), op)
			})
		}
	}
}

// Whoever names an object in the path gets what they may; what they may not see is as if it were not there, to the byte.
func TestWalls_IDInThePath_W1_W5(t *testing.T) {
	eachOperation(t, operation.onOne, func(b *bench, op operation) {
		for _, c := range b.callers {
			objects := b.those(op.noun(), c)
			require.NotEmpty(b.t, objects, "the world has no %s", op.noun())
			w := b.clean()
			nothing := w.send(c, op, absent(objects[0].id), "", w.body(op), nil)
			for _, o := range objects {
				want := op.expected(c, o)
				for _, query := range op.formats() {
					got := b.try(c, op, o.id, query, b.body(op), want, "of "+string(o.at))
					if want == missing {
						require.Equal(b.t, nothing, got, "%s as %s: what is at %s can be told from nothing", op.name, c.name, o.at)
					}
					b.cases.path++
				}
				b.direct(c, op, o.id, b.body(op), want)
			}
		}
	})
}

// formats are the queries by which an operation answers in one form or another.
func (op operation) formats() []string {
	out := []string{""}
	if f := op.query["format"]; f != nil {
		for _, form := range f.Enum {
			out = append(out, "format="+form.(string))
		}
	}
	return out
}

// direct makes a request that the authorizer refuses without it: the operation refuses it, too.
func (b *bench) direct(c caller, op operation, id string, body map[string]any, want outcome) {
	b.t.Helper()
	if want.status != 403 {
		return
	}
	w := b.clean()
	r := op.request(id, "", body, nil)
	context := w.Caller(c.secret)
	r.Caller = &context
	got := w.Do(r)
	require.Contains(b.t, []int{403, 404}, got.Status, "%s as %s, without the authorizer: %s", op.name, c.name, got.Body)
}

// The ID of another kind of object is the ID of nothing.
func TestWalls_IDOfAnotherKindInThePath_W1_W5(t *testing.T) {
	eachOperation(t, operation.onOne, func(b *bench, op operation) {
		c := b.callers[0]
		for _, o := range slices.Clone(b.objects) {
			if first, _ := b.first(o.noun, o.at); first != o || o.at != homeCo && o.at != home || o.noun == op.noun() {
				continue
			}
			b.try(c, op, o.id, "", b.body(op), missing, "with one of "+o.noun)
			b.cases.kind++
		}
	})
}

// Whoever names a place in the body makes something there, or is told that there is no such place.
func TestWalls_PlaceInTheBody_W1_W5(t *testing.T) {
	eachOperation(t, func(op operation) bool { return op.method == "POST" && !op.onOne() && op.takesPlace() }, func(b *bench, op operation) {
		for _, c := range b.callers {
			for _, noun := range []string{"nodes", "companies", "service-accounts"} {
				body := b.body(op)
				if !op.placed(body, object{noun: noun, id: absent("node_00000000000000000000")}) {
					continue
				}
				objects := b.those(noun, c)
				op.placed(body, object{noun: noun, id: absent(objects[0].id)})
				nothing := b.clean().send(c, op, "", "", body, nil)
				for _, o := range objects {
					body := b.body(op)
					op.placed(body, o)
					want := op.admittedTo(c, o)
					got := b.try(c, op, "", "", body, want, "at "+string(o.at))
					if want == missing {
						require.Equal(b.t, nothing, got, "%s as %s: %s can be told from nothing", op.name, c.name, o.at)
					}
					b.cases.body++
					b.direct(c, op, "", body, want)
				}
			}
		}
	})
}

func (op operation) takesPlace() bool {
	return op.body != nil && (op.body.Properties["attached_to"] != nil || slices.ContainsFunc(places, func(m string) bool { return op.body.Properties[m] != nil }))
}

// admittedTo is what comes of making something at a place.
func (op operation) admittedTo(c caller, at object) outcome {
	if out := c.admitted(op.permission); out != fine {
		return out
	}
	if !covers(c.at, at.at) || c.own[op.permission] && at.of != c.id {
		return missing
	}
	return op.state(c, at)
}

// Whoever names something in the body that is to be used there gets it where its place is at or above, and is otherwise told that
// there is nothing of the kind, whether or not they could see it.
func TestWalls_ReferenceInTheBody_W1_W5(t *testing.T) {
	eachOperation(t, func(op operation) bool { return len(op.references()) > 0 }, func(b *bench, op operation) {
		for _, member := range op.references() {
			for _, c := range b.callers {
				for _, target := range []spot{c.at, child, homeCo} {
					noun := "nodes"
					switch {
					case op.onOne():
						noun = op.noun()
					case target.company():
						noun = "companies"
					}
					o, ok := b.first(noun, target)
					if !ok || !op.onOne() && !op.placed(map[string]any{}, o) {
						continue // there is nothing of the kind there
					}
					request := func(reference string) (string, map[string]any) {
						body := b.body(op)
						body[member] = reference
						if strings.HasSuffix(member, "s") {
							body[member] = []any{reference}
						}
						if op.onOne() {
							return o.id, body
						}
						op.placed(body, o)
						return "", body
					}
					may := op.expected(c, o)
					on, body := request(absent(b.objects[0].id))
					nothing := b.clean().send(c, op, on, "", body, nil)
					for _, reference := range b.those(idOf[member], c) {
						want := may
						switch {
						case may == fine && o.who != nil && o.id == c.id: // nobody changes their own role
							want = outcome{403, "not_grantable"}
						case may == fine && !covers(reference.at, target):
							want = invalid
						case may == fine && len(without(b.holds[id.Role(reference.id)], and(c.role, c.scopes))) > 0:
							want = outcome{403, "not_grantable"}
						}
						on, body := request(reference.id)
						got := b.try(c, op, on, "", body, want, fmt.Sprintf("%s of %s for %s", member, reference.at, target))
						if want == invalid {
							require.Equal(b.t, nothing, got, "%s as %s: what is at %s can be told from nothing", op.name, c.name, reference.at)
						}
						b.cases.reference++
					}
				}
			}
		}
	})
}

func (op operation) references() (out []string) {
	for _, member := range refers {
		if op.body != nil && op.body.Properties[member] != nil {
			out = append(out, member)
		}
	}
	return out
}

// Every parameter and member that looks like an ID is known: as one of an object, which is then tried, or as none.
func TestWalls_EveryIDOfTheDocumentIsKnown(t *testing.T) {
	for _, op := range guarded(t) {
		seen := map[string]bool{}
		for name := range op.query {
			seen[name] = true
		}
		if op.body != nil {
			members(op.body, seen)
		}
		for _, name := range slices.Sorted(maps.Keys(seen)) {
			if _, known := idOf[name]; looksLikeID(name) && !known && !noIDs[name] && (name != "id" || op.body.Properties["attached_to"] == nil) {
				t.Errorf("%s has %s: say of what it is the ID", op.name, name)
			}
		}
	}
}

func members(s *schema, seen map[string]bool) {
	for name, p := range s.Properties {
		seen[name] = true
		members(p, seen)
	}
	if s.Items != nil {
		members(s.Items, seen)
	}
}
