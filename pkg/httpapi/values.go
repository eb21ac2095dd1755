package httpapi

import (
	"encoding/json"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rekey-dev/rekey/pkg/token"
)

// Time writes a time as the API shows it: RFC 3339 in UTC, to the second; what is finer is cut off, so that what is shown
// is never later than what is meant. The zero time is null.
func Time(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := TimeText(t)
	return &s
}

// TimeText is Time for a time that is always there.
func TimeText(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

// Text is a text that is null when it is empty.
func Text[T ~string](s T) *string {
	if s == "" {
		return nil
	}
	text := string(s)
	return &text
}

// Secret is a member of a request that holds a secret. It is the only place where one is accepted.
type Secret struct{ token.Secret }

// UnmarshalJSON reads a text.
func (s *Secret) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	s.Secret = token.SecretOf(text)
	return nil
}

// Schema is a text that is not to be shown.
func (Secret) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: secretFormat}
}

// maxEntry is the most characters of an entry of Texts: an e-mail address is the longest that is wanted anywhere.
const maxEntry = 254

// Texts is a list of short texts. What the entries are is checked where they are used.
type Texts []string

// Schema is that of the list; how many there may be says the member's tag.
func (Texts) Schema(huma.Registry) *huma.Schema {
	most := maxEntry
	return &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString, MaxLength: &most}}
}

// Field is a member of a merge patch, or of any input where leaving a member out is not the same as null.
type Field[T any] struct {
	Given bool
	Null  bool // given as null
	Value T
}

// UnmarshalJSON is called for null too, and not at all for a member that is left out.
func (f *Field[T]) UnmarshalJSON(b []byte) error {
	f.Given = true
	if string(b) == "null" {
		f.Null = true
		return nil
	}
	return json.Unmarshal(b, &f.Value)
}

// Schema is that of the value. A member that may be null says so by the tag nullable.
func (Field[T]) Schema(r huma.Registry) *huma.Schema { return r.Schema(reflect.TypeFor[T](), true, "") }

// Pointer is nil when the member is left out, else its value, the zero one for null.
func (f Field[T]) Pointer() *T {
	if !f.Given {
		return nil
	}
	return &f.Value
}

// Nullable is an object in a response that may be null.
type Nullable[T any] struct{ Value *T }

// NullableOf makes a member of a pointer.
func NullableOf[T any](v *T) Nullable[T] { return Nullable[T]{v} }

// MarshalJSON writes null for nil.
func (n Nullable[T]) MarshalJSON() ([]byte, error) { return json.Marshal(n.Value) }

// Schema is the object's, or null.
func (Nullable[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[T](), true, ""), {Type: "null"}}}
}

// TimeMillis is TimeText with milliseconds where there are any, for what is sorted by time.
func TimeMillis(t time.Time) string {
	t = t.UTC().Truncate(time.Millisecond)
	if t.Nanosecond() == 0 {
		return t.Format(time.RFC3339)
	}
	return t.Format("2006-01-02T15:04:05.000Z07:00")
}

// Object is a Field whose value is an object of its own that may be null. In a merge patch its members are Fields again.
type Object[T any] struct{ Field[T] }

// Schema is the object's, where it stands: a reference could not be null.
func (Object[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[T]())
}

// Foreign is an object whose form is another specification's, which checks it: of its members nothing is known here.
type Foreign json.RawMessage

// UnmarshalJSON keeps the text.
func (f *Foreign) UnmarshalJSON(b []byte) error {
	*f = append((*f)[:0], b...)
	return nil
}

// MarshalJSON writes the text.
func (f Foreign) MarshalJSON() ([]byte, error) { return json.RawMessage(f).MarshalJSON() }

// Schema is an object with any members.
func (Foreign) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}
