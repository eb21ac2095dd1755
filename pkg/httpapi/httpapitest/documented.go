package httpapitest

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi"
)

// documented holds a response against the OpenAPI document: a status that the operation has, a body of its schema.
func documented(t *testing.T, a *httpapi.API, e events.APIGatewayProxyRequest, out events.APIGatewayProxyResponse) {
	t.Helper()
	item := a.OpenAPI().Paths[e.Resource]
	if item == nil {
		return
	}
	op := map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPatch: item.Patch,
		http.MethodDelete: item.Delete}[e.HTTPMethod]
	if op == nil {
		return
	}
	response := op.Responses[strconv.Itoa(out.StatusCode)]
	require.NotNilf(t, response, "%s answers %d, which its document has not: %s", op.OperationID, out.StatusCode, out.Body)
	if out.StatusCode < 300 {
		_, tagged := response.Headers["ETag"]
		require.Equal(t, tagged, out.Headers["Etag"] != "", "%s and its ETag", op.OperationID)
	}
	if len(response.Content) == 0 {
		require.Empty(t, out.Body, op.OperationID)
		return
	}
	kind, _, err := mime.ParseMediaType(out.Headers["Content-Type"])
	require.NoError(t, err)
	media := response.Content[kind]
	require.NotNilf(t, media, "%s answers %s", op.OperationID, out.Headers["Content-Type"])
	if !strings.HasSuffix(kind, "json") {
		return
	}
	var body any
	require.NoError(t, json.Unmarshal([]byte(out.Body), &body))
	if problem := conforms(a.OpenAPI().Components.Schemas, media.Schema, "", body); problem != "" {
		require.Failf(t, "not as documented", "%s: %s in %s", op.OperationID, problem, out.Body)
	}
}

// conforms says where a value is not of its schema; "" when it is. It knows what responses use of JSON Schema.
func conforms(r huma.Registry, s *huma.Schema, at string, v any) string {
	for s.Ref != "" {
		s = r.SchemaFromRef(s.Ref)
	}
	if len(s.AnyOf) > 0 {
		var problems []string
		for _, option := range s.AnyOf {
			problem := conforms(r, option, at, v)
			if problem == "" {
				return ""
			}
			problems = append(problems, problem)
		}
		return strings.Join(problems, " and ")
	}
	if v == nil && (s.Nullable || s.Type == "null" || s.Type == "") {
		return ""
	}
	ok := true
	switch s.Type {
	case "":
	case "null":
		ok = v == nil
	case huma.TypeObject:
		return conformsObject(r, s, at, v)
	case huma.TypeArray:
		list, isList := v.([]any)
		ok = isList && (s.MaxItems == nil || len(list) <= *s.MaxItems)
		for i, entry := range list {
			if problem := conforms(r, s.Items, fmt.Sprintf("%s/%d", at, i), entry); problem != "" {
				return problem
			}
		}
	case huma.TypeString:
		text, isText := v.(string)
		ok = isText && (s.MaxLength == nil || utf8.RuneCountInString(text) <= *s.MaxLength)
		if len(s.Enum) > 0 {
			found := false
			for _, word := range s.Enum {
				found = found || word == text
			}
			ok = ok && found
		}
		if s.Format == "date-time" {
			_, err := time.Parse(time.RFC3339, text)
			ok = ok && err == nil && strings.HasSuffix(text, "Z")
		}
	case huma.TypeInteger, huma.TypeNumber:
		n, isNumber := v.(float64)
		ok = isNumber && (s.Minimum == nil || n >= *s.Minimum) && (s.Maximum == nil || n <= *s.Maximum)
	case huma.TypeBoolean:
		_, ok = v.(bool)
	default:
		ok = false
	}
	if !ok {
		return fmt.Sprintf("%s is %v", at, v)
	}
	return ""
}

func conformsObject(r huma.Registry, s *huma.Schema, at string, v any) string {
	object, ok := v.(map[string]any)
	if !ok {
		return at + " is no object"
	}
	for _, member := range s.Required {
		if _, ok := object[member]; !ok {
			return at + "/" + member + " is missing"
		}
	}
	if s.AdditionalProperties == true {
		return "" // of another specification's form
	}
	for member, value := range object {
		property := s.Properties[member]
		if property == nil {
			if extra, ok := s.AdditionalProperties.(*huma.Schema); ok {
				property = extra
			} else {
				return at + "/" + member + " is not documented"
			}
		}
		if problem := conforms(r, property, at+"/"+member, value); problem != "" {
			return problem
		}
	}
	return ""
}
