package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rekey-dev/rekey/pkg/fault"
)

// maxDepth is how deep objects and arrays may be nested; the outermost counts as one.
const maxDepth = 16

// tree reads a JSON document (RFC 8259) into nil, bool, string, json.Number, []any and map[string]any. It is stricter than
// encoding/json: one document and nothing behind it, valid UTF-8, no member twice in an object, no nesting beyond 16. What
// is no JSON is a fault of kind malformed; the rest of kind invalid, with the pointer.
func tree(body []byte) (any, error) {
	if !utf8.Valid(body) {
		return nil, fault.New(fault.Malformed, "The body is not UTF-8.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	t := treeReader{d: d}
	value, err := t.value("", 1)
	if err == nil {
		if _, end := d.Token(); end != io.EOF {
			err = errors.New("something follows the document")
		}
	}
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return nil, f
	case err != nil:
		return nil, &fault.Error{Kind: fault.Malformed, Detail: "The body is not JSON.", Cause: err}
	}
	return value, fault.InvalidFields(t.twice)
}

type treeReader struct {
	d     *json.Decoder
	twice []fault.Field
}

func (t *treeReader) value(pointer string, depth int) (any, error) {
	first, err := t.d.Token()
	if err != nil {
		return nil, err
	}
	open, ok := first.(json.Delim)
	if !ok {
		return first, nil
	}
	if depth > maxDepth {
		return nil, fault.InvalidField(pointer, "is nested deeper than 16 levels")
	}
	if open == '[' {
		list := []any{}
		for t.d.More() {
			v, err := t.value(pointer+"/"+strconv.Itoa(len(list)), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := t.d.Token()
		return list, err
	}
	object := map[string]any{}
	for t.d.More() {
		key, err := t.d.Token()
		if err != nil {
			return nil, err
		}
		member := key.(string) // the decoder lets nothing else through here
		at := child(pointer, member)
		v, err := t.value(at, depth+1)
		if err != nil {
			return nil, err
		}
		if _, ok := object[member]; ok && len(t.twice) < maxViolations {
			t.twice = append(t.twice, fault.Field{Pointer: at, Detail: "is given more than once"})
		}
		object[member] = v
	}
	_, err = t.d.Token()
	return object, err
}

// child is the pointer to a member. A name that is longer than any of ours is cut: it is only ever answered.
func child(pointer, member string) string {
	const longest = 100
	if len(member) > longest {
		member = strings.ToValidUTF8(member[:longest], "")
	}
	return pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(member)
}
