package dynamo

import (
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// expression builds an update and its condition. Every attribute goes by an alias, so no name can be a reserved word. The
// same calls give the same text, so a transaction that is sent again is the same one.
//
// What is called all over the package is not inlined, here and in attributes.go: that made 17 KB of the authorizer's binary.
type expression struct {
	names      map[string]string
	values     item
	sets, adds []string
	removes    []string
	conds      []string
}

// name returns the alias of an attribute.
//
//go:noinline
func (e *expression) name(attr string) string {
	if e.names == nil {
		e.names = make(map[string]string)
	}
	alias := "#" + attr
	e.names[alias] = attr
	return alias
}

// value returns the placeholder of a value.
//
//go:noinline
func (e *expression) value(v types.AttributeValue) string {
	if e.values == nil {
		e.values = make(item)
	}
	placeholder := ":" + strconv.Itoa(len(e.values))
	e.values[placeholder] = v
	return placeholder
}

//go:noinline
func (e *expression) set(attr string, v types.AttributeValue) {
	e.sets = append(e.sets, e.name(attr)+" = "+e.value(v))
}

// setOnce sets what is not there yet.
func (e *expression) setOnce(attr string, v types.AttributeValue) {
	e.sets = append(e.sets, e.name(attr)+" = if_not_exists("+e.name(attr)+", "+e.value(v)+")")
}

// The setters remove what is zero; it reads as zero again.

func (e *expression) setString(attr, s string) {
	if s == "" {
		e.remove(attr)
		return
	}
	e.set(attr, stringValue(s))
}

func (e *expression) setInt(attr string, n int64) {
	if n == 0 {
		e.remove(attr)
		return
	}
	e.set(attr, intValue(n))
}

func (e *expression) setTime(attr string, t time.Time) {
	if t.IsZero() {
		e.remove(attr)
		return
	}
	e.set(attr, timeValue(t))
}

func (e *expression) setBool(attr string, b bool) {
	if !b {
		e.remove(attr)
		return
	}
	e.set(attr, boolValue(b))
}

func (e *expression) setList(attr string, ss []string) {
	if len(ss) == 0 {
		e.remove(attr)
		return
	}
	e.set(attr, listValue(ss))
}

//go:noinline
func (e *expression) remove(attrs ...string) {
	for _, a := range attrs {
		e.removes = append(e.removes, e.name(a))
	}
}

// add adds to a number; one that is not there counts as 0.
func (e *expression) add(attr string, n int64) {
	e.adds = append(e.adds, e.name(attr)+" "+e.value(intValue(n)))
}

// require adds a condition; all must hold.
//
//go:noinline
func (e *expression) require(cond string) { e.conds = append(e.conds, "("+cond+")") }

//go:noinline
func (e *expression) exists(attr string) string { return "attribute_exists(" + e.name(attr) + ")" }

//go:noinline
func (e *expression) missing(attr string) string { return "attribute_not_exists(" + e.name(attr) + ")" }

//go:noinline
func (e *expression) compare(attr, op string, v types.AttributeValue) string {
	return e.name(attr) + " " + op + " " + e.value(v)
}

// isInt is the condition that a number is n; one that is not there is 0.
func (e *expression) isInt(attr string, n int64) string {
	is := e.compare(attr, "=", intValue(n))
	if n == 0 {
		return e.missing(attr) + " OR " + is
	}
	return is
}

// isText is the condition that a text is s; one that is not there is "".
func (e *expression) isText(attr, s string) string {
	if s == "" {
		return e.missing(attr)
	}
	return e.compare(attr, "=", stringValue(s))
}

// isTime is the condition that a time is t; the zero time is one that is not there.
func (e *expression) isTime(attr string, t time.Time) string {
	if t.IsZero() {
		return e.missing(attr)
	}
	return e.compare(attr, "=", timeValue(t))
}

// condition returns the text of the conditions; nil for none.
func (e *expression) condition() *string {
	if len(e.conds) == 0 {
		return nil
	}
	s := strings.Join(e.conds, " AND ")
	return &s
}

// update returns the text of the update; nil for none.
func (e *expression) update() *string {
	var parts []string
	for _, p := range []struct {
		verb    string
		clauses []string
	}{{"SET ", e.sets}, {"ADD ", e.adds}, {"REMOVE ", e.removes}} {
		if len(p.clauses) > 0 {
			parts = append(parts, p.verb+strings.Join(p.clauses, ", "))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	s := strings.Join(parts, " ")
	return &s
}
