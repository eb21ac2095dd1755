package httpapitest

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/auditevents"
	"github.com/rekey-dev/rekey/pkg/httpapi/billing"
	"github.com/rekey-dev/rekey/pkg/httpapi/calendars"
	"github.com/rekey-dev/rekey/pkg/httpapi/companies"
	"github.com/rekey-dev/rekey/pkg/httpapi/credentials"
	"github.com/rekey-dev/rekey/pkg/httpapi/employees"
	"github.com/rekey-dev/rekey/pkg/httpapi/keys"
	"github.com/rekey-dev/rekey/pkg/httpapi/keystatus"
	"github.com/rekey-dev/rekey/pkg/httpapi/me"
	"github.com/rekey-dev/rekey/pkg/httpapi/meta"
	"github.com/rekey-dev/rekey/pkg/httpapi/nodes"
	"github.com/rekey-dev/rekey/pkg/httpapi/personalaccesstokens"
	"github.com/rekey-dev/rekey/pkg/httpapi/protectedapis"
	"github.com/rekey-dev/rekey/pkg/httpapi/roles"
	"github.com/rekey-dev/rekey/pkg/httpapi/rotationpolicies"
	"github.com/rekey-dev/rekey/pkg/httpapi/rotations"
	"github.com/rekey-dev/rekey/pkg/httpapi/serviceaccounts"
	"github.com/rekey-dev/rekey/pkg/httpapi/sessions"
	"github.com/rekey-dev/rekey/pkg/httpapi/setup"
	"github.com/rekey-dev/rekey/pkg/httpapi/verify"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/page"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

// World is a deployment in memory with all of its API before it. The authorizer is not in it: a request says whose it is.
type World struct {
	*rekeytest.World
	T   *testing.T
	API *httpapi.API
	Log bytes.Buffer
}

// New makes a world with people and places in it.
func New(t *testing.T) *World { return serve(t, rekeytest.New(t)) }

// Fresh makes a world on which set-up has not run.
func Fresh(t *testing.T) *World { return serve(t, rekeytest.Empty(t)) }

func serve(t *testing.T, inner *rekeytest.World) *World {
	w := &World{World: inner, T: t}
	w.API = httpapi.New(httpapi.Settings{Now: w.Now, Rand: w.Rand, Log: slog.New(slog.NewJSONHandler(&w.Log, nil)),
		Cursors:     &page.Sealer{Keys: Keys{}, Now: w.Now, Rand: w.Rand},
		Idempotency: w.Store.Idempotency,
		Admit:       (&authorizer.Authorizer{Verifier: w.Verifier, Now: w.Now}).Admit,
		Repeat: func(ctx context.Context, c call.Call, r idempotency.Record) (token.Secret, error) {
			switch {
			case r.Secret != nil && r.Secret.Kind == token.Session:
				return w.SignIn.Repeat(ctx, c, r)
			case r.Secret != nil && r.Secret.Kind == token.OneTimeCode:
				return w.Passkeys.Repeat(ctx, c, r)
			case r.Secret == nil || r.Secret.Kind != token.PersonalAccessToken:
			case c.Caller.Type == "": // of set-up, which nobody is signed in for
				return w.Setup.Repeat(ctx, c.Request, r)
			default:
				return w.Tokens.Repeat(ctx, c, r)
			}
			return w.World.Keys.Repeat(ctx, c, r)
		}})
	at := func(call.Call) passkey.Site { return rekeytest.Site }
	auditevents.Register(w.API, w.Store)
	credentials.Register(w.API, w.Passkeys, at)
	sessions.Register(w.API, w.SignIn, at)
	calendars.Register(w.API, w.Calendars)
	nodes.Register(w.API, w.Tree)
	companies.Register(w.API, w.Companies)
	employees.Register(w.API, w.Staff)
	billing.Register(w.API, w.Companies, w.Companies.Packages)
	keys.Register(w.API, w.World.Keys, w.Rotations, w.Now)
	keystatus.Register(w.API, w.Status)
	me.Register(w.API, w.Store)
	meta.Register(w.API, []byte(`{"openapi":"3.1.0"}`))
	personalaccesstokens.Register(w.API, w.Tokens)
	protectedapis.Register(w.API, w.APIs)
	roles.Register(w.API, w.Roles)
	rotationpolicies.Register(w.API, w.Policies, w.Now)
	rotations.Register(w.API, w.Rotations, w.Now)
	serviceaccounts.Register(w.API, w.Accounts, w.World.Keys, w.Rotations, w.Now)
	setup.Register(w.API, w.Setup)
	verify.Register(w.API, w.Gateways)
	return w
}

// Call makes a request with a secret that is accepted.
func (w *World) Call(s token.Secret, r Request) Response {
	w.T.Helper()
	c := w.Caller(s)
	r.Caller = &c
	return w.Do(r)
}

// Do makes a request as it is. A secret in the answer is noted, so that it is looked for where it must not be.
func (w *World) Do(r Request) Response {
	w.T.Helper()
	return w.Send(r.Event(w.T))
}

// Send hands an event to the API, and looks for every secret in the log afterwards.
func (w *World) Send(e events.APIGatewayProxyRequest) Response {
	w.T.Helper()
	out := Send(w.T, w.API, e)
	var body struct {
		Secret string `json:"secret"`
		Code   string `json:"code"`
	}
	if json.Unmarshal([]byte(out.Body), &body) == nil {
		for _, shown := range []string{body.Secret, body.Code} {
			if token.Within(shown) {
				w.Note(token.SecretOf(shown))
			}
		}
	}
	require.False(w.T, token.Within(w.Log.String()), "the log holds a secret")
	return out
}

// Sample reads an event of the folder events/. Its places and its caller become this world's owner and root; replace names
// further texts and what they become, by turns.
func (w *World) Sample(name string, replace ...string) events.APIGatewayProxyRequest {
	w.T.Helper()
	text := string(SampleText(w.T, name))
	if w.Owner != nil {
		replace = append(replace, "node_"+Body, w.Root.Path, "emp_"+Body, string(w.Owner.Employee.ID), "pat_"+Body, string(w.Owner.Token.ID))
	}
	var e events.APIGatewayProxyRequest
	require.NoError(w.T, json.Unmarshal([]byte(strings.NewReplacer(replace...).Replace(text)), &e))
	return e
}

// Event reads an event of the folder events/ as it is.
func Event(t *testing.T, name string) events.APIGatewayProxyRequest {
	t.Helper()
	var e events.APIGatewayProxyRequest
	require.NoError(t, json.Unmarshal(SampleText(t, name), &e))
	return e
}

// SampleText reads a file of the folder events/.
func SampleText(t *testing.T, name string) []byte {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "../../../events", name))
	require.NoError(t, err)
	return text
}
