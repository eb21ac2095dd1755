package rekeytest

import (
	"encoding/json"
	"errors"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/token"
)

// As is a call by a person, as the HTTP layer makes it.
func (w *World) As(p *Person) call.Call {
	w.T.Helper()
	return w.With(p.Secret)
}

// With is a call by whoever a secret is of.
func (w *World) With(s token.Secret) call.Call {
	w.T.Helper()
	return call.Call{Caller: w.Caller(s), Request: audit.Request{ID: "req-call", SourceIP: "192.0.2.200", UserAgent: "curl/8"},
		Route: "POST /of/the/test"}
}

// IfMatch adds the entity tags that a call wants.
func IfMatch(c call.Call, tags ...string) call.Call {
	c.Match = precondition.Match{Given: true, Tags: tags}
	return c
}

// Answer is what the caller of a POST with an Idempotency-Key hears.
type Answer struct {
	Body     string // without its secret
	Secret   token.Secret
	Withheld bool // secret_withheld: true
	Repeated bool // the answer of an earlier call
}

// Post carries out a POST with an Idempotency-Key as the HTTP layer does: it looks for the record of an earlier call, lets
// the use case decide whether the call is that one, and makes the secret of a repeated answer again. The use case returns
// its result and the secret that it shows, if any.
func (w *World) Post(c call.Call, path, key, payload string, use Use) (Answer, error) {
	scope := idempotency.Scope(c.Caller.ID, "POST", path, key)
	prior, err := w.Store.Idempotency(w.Ctx, scope, w.Now())
	if err != nil {
		return Answer{}, err
	}
	c.Idempotency = w.Pending(scope, payload, prior)
	result, secret, err := use(c)
	var replay *idempotency.Replay
	if errors.As(err, &replay) {
		out := Answer{Body: string(replay.Record.Body), Repeated: true}
		if replay.Record.Secret != nil {
			if out.Secret, err = w.again(c, replay.Record); err != nil {
				return Answer{}, err
			}
			out.Withheld = out.Secret.IsZero()
		}
		return out, nil
	}
	if err != nil {
		if !secret.IsZero() {
			w.T.Errorf("a secret came with the error %v", err)
		}
		return Answer{}, err
	}
	w.Note(secret)
	_, _, body, err := c.Idempotency.Render(result)
	return Answer{Body: string(body), Secret: secret}, err
}

// again makes the secret of a repeated answer.
func (w *World) again(c call.Call, r idempotency.Record) (token.Secret, error) {
	if r.Secret.Kind == token.PersonalAccessToken {
		if c.Caller.Type == "" { // of set-up, which nobody is signed in for
			return w.Setup.Repeat(w.Ctx, c.Request, r)
		}
		return w.Tokens.Repeat(w.Ctx, c, r)
	}
	return w.Keys.Repeat(w.Ctx, c, r)
}

// Pending is a call with an Idempotency-Key.
func (w *World) Pending(scope, payload string, prior *idempotency.Record) *idempotency.Pending {
	return &idempotency.Pending{Scope: scope, Fingerprint: idempotency.Fingerprint("", []byte(payload)),
		Salt: idempotency.NewSalt(w.Rand), Prior: prior, Render: render}
}

// render writes a result as an answer's body: a secret in it is redacted by its own type.
func render(result any) (int, string, []byte, error) {
	body, err := json.Marshal(result)
	return 201, "etag", body, err
}
