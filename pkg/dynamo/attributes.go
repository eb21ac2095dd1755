package dynamo

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
)

// item is an item as the client knows it.
type item map[string]types.AttributeValue

//go:noinline
func stringValue(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

//go:noinline
func intValue(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

//go:noinline
func timeValue(t time.Time) types.AttributeValue { return intValue(t.UnixMilli()) }
func bytesValue(b []byte) types.AttributeValue   { return &types.AttributeValueMemberB{Value: b} }
func boolValue(b bool) types.AttributeValue      { return &types.AttributeValueMemberBOOL{Value: b} }

func listValue(ss []string) types.AttributeValue {
	l := make([]types.AttributeValue, len(ss))
	for i, s := range ss {
		l[i] = stringValue(s)
	}
	return &types.AttributeValueMemberL{Value: l}
}

// wire returns the key as the client knows it.
func (k key) wire() item { return item{attrPK: stringValue(k.pk), attrSK: stringValue(k.sk)} }

func newItem(k key, typ string) item {
	it := k.wire()
	it[attrType] = stringValue(typ)
	return it
}

// The setters leave out what is zero; it reads as zero again.

//go:noinline
func (it item) string(attr, s string) {
	if s != "" {
		it[attr] = stringValue(s)
	}
}

//go:noinline
func (it item) int(attr string, n int64) {
	if n != 0 {
		it[attr] = intValue(n)
	}
}

//go:noinline
func (it item) time(attr string, t time.Time) {
	if !t.IsZero() {
		it[attr] = timeValue(t)
	}
}

func (it item) bytes(attr string, b []byte) {
	if len(b) != 0 {
		it[attr] = bytesValue(b)
	}
}

func (it item) bool(attr string, b bool) {
	if b {
		it[attr] = boolValue(b)
	}
}

func (it item) list(attr string, ss []string) {
	if len(ss) != 0 {
		it[attr] = listValue(ss)
	}
}

func (it item) place(p place.Place) {
	it.string(attrNodePath, p.Path)
	it.string(attrCompany, string(p.Company))
}

// ttl sets when the item may be reclaimed.
func (it item) ttl(t time.Time) { it[attrTTL] = intValue(t.Unix()) }

// reader decodes an item, in either of its forms. Its first error stays; an attribute of another type than the schema's is
// one.
type reader struct {
	it   item
	flat flatItem
	err  error
}

func (r *reader) fail(attr string) {
	if r.err == nil {
		r.err = fmt.Errorf("attribute %s has the wrong type or form", attr)
	}
}

// text returns the text of an attribute of a type; "" when it is not there.
func (r *reader) text(attr, typ string) string {
	if r.flat != nil {
		a, ok := r.flat.lookup(attr)
		if ok && a.typ != typ {
			r.fail(attr)
			return ""
		}
		return a.text
	}
	switch v := r.it[attr].(type) {
	case nil:
		return ""
	case *types.AttributeValueMemberS:
		if typ == "S" {
			return v.Value
		}
	case *types.AttributeValueMemberN:
		if typ == "N" {
			return v.Value
		}
	}
	r.fail(attr)
	return ""
}

//go:noinline
func (r *reader) string(attr string) string { return r.text(attr, "S") }

func (r *reader) int(attr string) int64 {
	text := r.text(attr, "N")
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.fail(attr)
	}
	return n
}

//go:noinline
func (r *reader) time(attr string) time.Time { return timeOf(r.int(attr)) }

// timeOf is the inverse of timeValue; an attribute that is not there is no time.
func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func (r *reader) bytes(attr string) []byte {
	if r.flat != nil {
		text := r.text(attr, "B")
		if text == "" {
			return nil
		}
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			r.fail(attr)
		}
		return b
	}
	switch v := r.it[attr].(type) {
	case nil:
	case *types.AttributeValueMemberB:
		return v.Value
	default:
		r.fail(attr)
	}
	return nil
}

func (r *reader) bool(attr string) bool {
	if r.flat != nil {
		return r.text(attr, "BOOL") == "true"
	}
	switch v := r.it[attr].(type) {
	case nil:
	case *types.AttributeValueMemberBOOL:
		return v.Value
	default:
		r.fail(attr)
	}
	return false
}

// list decodes a list of strings; the flat form has none.
func (r *reader) list(attr string) []string {
	switch v := r.it[attr].(type) {
	case nil:
	case *types.AttributeValueMemberL:
		out := make([]string, 0, len(v.Value))
		for _, e := range v.Value {
			s, ok := e.(*types.AttributeValueMemberS)
			if !ok {
				r.fail(attr)
				return nil
			}
			out = append(out, s.Value)
		}
		return out
	default:
		r.fail(attr)
	}
	return nil
}

func (r *reader) permissions(attr string) permission.Set { return permission.Split(r.string(attr)) }

func (r *reader) place() place.Place {
	return place.Place{Path: r.string(attrNodePath), Company: id.Company(r.string(attrCompany))}
}

// words splits what was joined with a blank; nothing is no word.
func words(s string) []string { return strings.Fields(s) }

// sameItem tells whether two items of this package's making are equal.
func sameItem(a, b item) bool { return maps.EqualFunc(a, b, sameValue) }

func sameValue(x, y types.AttributeValue) bool {
	switch x := x.(type) {
	case *types.AttributeValueMemberS:
		y, ok := y.(*types.AttributeValueMemberS)
		return ok && x.Value == y.Value
	case *types.AttributeValueMemberN:
		y, ok := y.(*types.AttributeValueMemberN)
		return ok && x.Value == y.Value
	case *types.AttributeValueMemberBOOL:
		y, ok := y.(*types.AttributeValueMemberBOOL)
		return ok && x.Value == y.Value
	case *types.AttributeValueMemberL:
		y, ok := y.(*types.AttributeValueMemberL)
		return ok && slices.EqualFunc(x.Value, y.Value, sameValue)
	}
	return false
}
