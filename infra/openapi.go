// Package infra holds what surrounds the deployment; in Go it is the OpenAPI document alone.
package infra

import _ "embed"

// OpenAPI is the document of the API, as `make generate` writes it from the operations' registrations.
//
//go:embed openapi.json
var OpenAPI []byte
