package authorizer

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// policyAnswer is the answer of REST APIs and of HTTP API format 1.0: a policy whose Resource is exactly the method that was
// asked about, so that nobody's cache can open another one.
type policyAnswer struct {
	PrincipalID string `json:"principalId"`
	Policy      policy `json:"policyDocument"`
	Context     any    `json:"context"`
}

type policy struct {
	Version   string       `json:"Version"`
	Statement [1]statement `json:"Statement"`
}

type statement struct {
	Action   string `json:"Action"`
	Effect   string `json:"Effect"`
	Resource string `json:"Resource"`
}

// simpleAnswer is the answer of HTTP API format 2.0 with simple responses.
type simpleAnswer struct {
	IsAuthorized bool `json:"isAuthorized"`
	Context      any  `json:"context"`
}

// reason is the context of a Deny: the template's gateway response puts it into the body as it is, so every value is of the
// characters A-Z a-z 0-9 _ : . / , ; - ' and blank only: none of them means anything in JSON.
type reason struct {
	Code              string `json:"code"`
	Problem           string `json:"problem"` // the code with hyphens, for the problem's type
	Title             string `json:"title"`
	Detail            string `json:"detail"`
	MissingScope      string `json:"missing_scope"`
	MissingPermission string `json:"missing_permission"`
}

var titles = map[fault.Kind]string{
	fault.MissingScope:      "The key lacks a scope",
	fault.MissingPermission: "The role lacks a permission",
	fault.APINotRegistered:  "The API is not registered",
}

func (e *event) answer(principal, effect string, ctx any) ([]byte, error) {
	if e.isHTTP2() {
		return json.Marshal(simpleAnswer{IsAuthorized: effect == "Allow", Context: ctx})
	}
	return json.Marshal(policyAnswer{PrincipalID: principal, Context: ctx, Policy: policy{Version: "2012-10-17",
		Statement: [1]statement{{Action: "execute-api:Invoke", Effect: effect, Resource: e.arn()}}}})
}

func (e *event) allow(c authz.Caller, v verify.Verdict, now time.Time) ([]byte, error) {
	ctx := c.Values()
	if v.Credential.InNotice(now) {
		ctx.KeyNotice = ctx.KeyExpires
	}
	if v.Credential.SupersededBy != "" {
		ctx.KeySuperseded = "true"
	}
	return e.answer(c.ID, "Allow", &ctx)
}

func (e *event) deny(principal string, refusal *fault.Error) ([]byte, error) {
	return e.answer(principal, "Deny", &reason{Code: string(refusal.Kind), Problem: strings.ReplaceAll(string(refusal.Kind), "_", "-"),
		Title: titles[refusal.Kind], Detail: contextText(refusal.Detail), MissingScope: refusal.MissingScope,
		MissingPermission: refusal.MissingPermission})
}

func (e *event) unauthorized() ([]byte, error) {
	return nil, errUnauthorized
}

// contextText replaces what may not stand in a context by a blank.
func contextText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("_:./ ,;-'", r):
			return r
		}
		return ' '
	}, s)
}
