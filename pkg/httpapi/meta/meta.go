// Package meta serves what the API says of itself: that it is up, and its OpenAPI document.
package meta

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/httpapi"
)

// Health is the body of GET /health.
type Health struct {
	Status string `json:"status" enum:"ok"`
}

type none struct{}

// Register adds GET /health and GET /openapi.json, which answers with the document.
func Register(a *httpapi.API, document []byte) {
	httpapi.Register(a, httpapi.Operation{ID: "getHealth", Method: http.MethodGet, Path: "/health", Tag: "meta",
		Summary: "Ask whether the API is up", Description: "It says nothing of what stands behind the API.", Access: httpapi.Public},
		func(context.Context, call.Call, *none) (Health, error) { return Health{Status: "ok"}, nil },
		func(h Health) httpapi.Answer[Health] { return httpapi.Answer[Health]{Body: h} })
	httpapi.Register(a, httpapi.Operation{ID: "getOpenAPI", Method: http.MethodGet, Path: "/openapi.json", Tag: "meta",
		Summary: "Get this document", Access: httpapi.Public},
		func(context.Context, call.Call, *none) (json.RawMessage, error) { return document, nil },
		func(d json.RawMessage) httpapi.Answer[json.RawMessage] {
			return httpapi.Answer[json.RawMessage]{Body: d}
		})
}
