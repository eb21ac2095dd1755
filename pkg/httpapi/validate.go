package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/token"
)

// secretFormat marks the members that are there for a secret; in every other text one is refused.
const secretFormat = "password"

// checker holds values against schemas of the document. Unlike huma's own validation it names the very member by its JSON
// pointer, also a missing or an unknown one, takes names as they are written, and repeats no value.
type checker struct {
	registry huma.Registry
	bad      []fault.Field
}

func (c *checker) add(pointer, detail string, args ...any) {
	if len(c.bad) < maxViolations {
		c.bad = append(c.bad, fault.Field{Pointer: pointer, Detail: fmt.Sprintf(detail, args...)})
	}
}

func (c *checker) check(s *huma.Schema, pointer string, value any) {
	for s.Ref != "" {
		s = c.registry.SchemaFromRef(s.Ref)
	}
	if value == nil {
		if !s.Nullable {
			c.add(pointer, "must not be null")
		}
		return
	}
	switch s.Type {
	case huma.TypeObject:
		c.object(s, pointer, value)
	case huma.TypeArray:
		list, ok := value.([]any)
		if !ok {
			c.add(pointer, "must be an array")
			return
		}
		if s.MinItems != nil && len(list) < *s.MinItems {
			c.add(pointer, "must have at least %d entries", *s.MinItems)
		}
		if s.MaxItems != nil && len(list) > *s.MaxItems {
			c.add(pointer, "must have at most %d entries", *s.MaxItems)
			return
		}
		for i, v := range list {
			c.check(s.Items, pointer+"/"+strconv.Itoa(i), v)
		}
	case huma.TypeString:
		text, ok := value.(string)
		if !ok {
			c.add(pointer, "must be a text")
			return
		}
		c.text(s, pointer, text)
	case huma.TypeBoolean:
		if _, ok := value.(bool); !ok {
			c.add(pointer, "must be true or false")
		}
	case huma.TypeInteger:
		c.integer(s, pointer, value)
	default:
		panic("httpapi: a schema of type " + s.Type) // supported refuses it at registration
	}
}

func (c *checker) object(s *huma.Schema, pointer string, value any) {
	object, ok := value.(map[string]any)
	if !ok {
		c.add(pointer, "must be an object")
		return
	}
	if s.AdditionalProperties == true {
		return // an object of somebody else's form
	}
	for _, member := range slices.Sorted(maps.Keys(object)) {
		if property, ok := s.Properties[member]; ok {
			c.check(property, child(pointer, member), object[member])
		} else {
			c.add(child(pointer, member), "is not known here")
		}
	}
	for _, member := range s.Required {
		if _, ok := object[member]; !ok {
			c.add(child(pointer, member), "is missing")
		}
	}
}

func (c *checker) text(s *huma.Schema, pointer, text string) {
	length := utf8.RuneCountInString(text)
	switch {
	case s.Format != secretFormat && token.Within(text):
		c.add(pointer, "contains a secret; nothing was kept of it")
	case s.Format != secretFormat && (!utf8.ValidString(text) || strings.ContainsRune(text, 0)):
		c.add(pointer, "must be UTF-8 without U+0000")
	case s.MinLength != nil && length < *s.MinLength:
		if length == 0 {
			c.add(pointer, "must not be empty")
		} else {
			c.add(pointer, "must have at least %d characters", *s.MinLength)
		}
	case s.MaxLength != nil && length > *s.MaxLength:
		c.add(pointer, "must have at most %d characters", *s.MaxLength)
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, any(text)):
		words := make([]string, len(s.Enum))
		for i, w := range s.Enum {
			words[i] = fmt.Sprint(w)
		}
		c.add(pointer, "must be one of %s", strings.Join(words, ", "))
	case s.Pattern != "" && !pattern(s.Pattern).MatchString(text):
		c.add(pointer, "must match %s", s.Pattern)
	case s.Format == "date-time":
		// Before 1970 lies the zero time, which means "never" further in; a year of five digits cannot be written in UTC.
		if at, err := time.Parse(time.RFC3339, text); err != nil || strings.Contains(text, ",") || at.Unix() < 0 || at.UTC().Year() > 9999 {
			c.add(pointer, "must be a time of RFC 3339 from 1970 on, without a leap second, like 2026-12-01T00:00:00Z")
		}
	}
}

var patterns sync.Map // *regexp.Regexp by its text; as many as the document has

func pattern(text string) *regexp.Regexp {
	if known, ok := patterns.Load(text); ok {
		return known.(*regexp.Regexp)
	}
	compiled := regexp.MustCompile(text)
	patterns.Store(text, compiled)
	return compiled
}

func (c *checker) integer(s *huma.Schema, pointer string, value any) {
	number, ok := value.(json.Number)
	if !ok {
		c.add(pointer, "must be an integer")
		return
	}
	n, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil {
		c.add(pointer, "must be an integer")
		return
	}
	least, most := float64(math.MinInt64), float64(math.MaxInt64)
	if s.Minimum != nil {
		least = *s.Minimum
	}
	if s.Maximum != nil {
		most = *s.Maximum
	}
	if float64(n) < least || float64(n) > most {
		c.add(pointer, "must be from %.0f to %.0f", least, most)
	}
}

// supported says which part of a schema the checker would overlook; "" when none.
func supported(r huma.Registry, s *huma.Schema, pointer string) string {
	for s.Ref != "" {
		s = r.SchemaFromRef(s.Ref)
	}
	switch {
	case s.OneOf != nil, s.AnyOf != nil, s.AllOf != nil, s.Not != nil, s.Discriminator != nil, s.UniqueItems, s.MultipleOf != nil,
		s.ExclusiveMinimum != nil, s.ExclusiveMaximum != nil, s.MinProperties != nil, s.MaxProperties != nil,
		len(s.DependentRequired) > 0, s.ContentEncoding != "":
		return pointer + ": a keyword"
	}
	switch s.Type {
	case huma.TypeString:
		if s.MaxLength == nil && len(s.Enum) == 0 && s.Format != "date-time" {
			return pointer + ": no maxLength"
		}
		if f := s.Format; f != "" && f != "date-time" && f != secretFormat && f != "email" {
			return pointer + ": format " + f
		}
	case huma.TypeBoolean:
	case huma.TypeInteger:
		if s.Minimum == nil || s.Maximum == nil {
			return pointer + ": no minimum or maximum"
		}
	case huma.TypeArray:
		if s.MaxItems == nil {
			return pointer + ": no maxItems"
		}
		return supported(r, s.Items, pointer+"/0")
	case huma.TypeObject:
		open, ok := s.AdditionalProperties.(bool)
		if open && len(s.Properties) == 0 {
			return "" // Foreign, which the body's size and depth bound
		}
		if !ok || open {
			return pointer + ": additionalProperties"
		}
		for _, member := range slices.Sorted(maps.Keys(s.Properties)) {
			if problem := supported(r, s.Properties[member], child(pointer, member)); problem != "" {
				return problem
			}
		}
	default:
		return pointer + ": type " + s.Type
	}
	return ""
}
