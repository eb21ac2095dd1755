// Package httpapi is the HTTP layer behind API Gateway: it takes a REST proxy event, holds it against the OpenAPI document,
// and turns what an operation returns into a response, and every error into a problem (RFC 9457).
//
// An operation is registered once, with Register; from that one registration come its route, its validation, its
// idempotency, its entry in the OpenAPI document and its row in the authorizer's route table. The package relies on the
// authorizer for who calls (authz.Caller) and decides no permission itself; it knows no store and no resource: those are
// in the packages below it, one for each noun of the API.
//
// Everything in a request is bounded before an operation sees it: 64 KiB of body (2 MiB where a calendar is), 16 levels of nesting, the limits that the
// document states for each member. No text of a caller that looks like a secret is answered, logged or handed on, except in
// the members that are there for one (format "password").
package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/page"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Version is the version of the API that the OpenAPI document carries.
const Version = "1.0.0"

// Settings are what the layer needs of its surroundings.
type Settings struct {
	Now  func() time.Time
	Rand io.Reader
	Log  *slog.Logger // one record for each request

	// Cursors seals the cursors of lists; nil where there is no list.
	Cursors *page.Sealer
	// Idempotency returns the record of a scope that has not expired at now; nil when there is none. Both are nil where no
	// call can be repeated.
	Idempotency func(ctx context.Context, scope string, now time.Time) (*idempotency.Record, error)
	// Repeat makes the secret of an earlier call again and records that; the zero Secret when it is withheld.
	Repeat func(ctx context.Context, c call.Call, r idempotency.Record) (token.Secret, error)
	// Admit judges the credentials of a request to a public operation that calls Caller: the values of its headers Authorization and
	// X-API-Key. nil where there is no such operation.
	Admit func(ctx context.Context, authorization, apiKey []string, r audit.Request) (authz.Caller, error)
}

// Caller is who calls a public operation, by the credentials of the request itself: for an operation that wants to know only
// sometimes, and that no authorizer can guard therefore. Whoever is not let in is a fault of kind unauthorized.
func (a *API) Caller(ctx context.Context) (authz.Caller, error) {
	x := exchangeOf(ctx)
	caller, err := a.settings.Admit(ctx, x.header.Values("Authorization"), x.header.Values("X-API-Key"), x.request)
	x.caller = caller
	return caller, err
}

// API is a set of operations with what they share. It is built at start and may then be used by many goroutines.
type API struct {
	settings Settings
	mux      *http.ServeMux
	huma     huma.API
	routes   []Route
	bodies   map[string]int // the most bytes of a body, by the route's pattern, where it is not MaxBody
}

// New makes an API without operations.
func New(s Settings) *API {
	mux := http.NewServeMux()
	a := &API{settings: s, mux: mux, bodies: map[string]int{}}
	a.huma = humago.New(mux, huma.Config{
		OpenAPI:       document(),
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
	})
	return a
}

// OpenAPI returns the document of the operations that are registered.
func (a *API) OpenAPI() *huma.OpenAPI { return a.huma.OpenAPI() }

// Routes returns the routes of the operations, in the order of their registration.
func (a *API) Routes() []Route { return append([]Route(nil), a.routes...) }
