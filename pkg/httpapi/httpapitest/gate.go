package httpapitest

import (
	"encoding/json"
	"net/http"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Through makes a request as it comes to a deployment: the real authorizer is asked first, with the table of routes that it is
// deployed with, and what it lets pass reaches the API with the context that it wrote. What it refuses is answered as the
// template's gateway responses answer it.
func (w *World) Through(s token.Secret, r Request) Response {
	w.T.Helper()
	e := r.Event(w.T)
	caller, refusal := w.Admit(s, r)
	if refusal != nil {
		return *refusal
	}
	e.RequestContext.Authorizer = caller
	return w.Send(e)
}

// Admit asks the authorizer about a request: the context of a caller that it lets pass, or the answer to one that it refuses.
func (w *World) Admit(s token.Secret, r Request) (map[string]any, *Response) {
	w.T.Helper()
	e := r.Event(w.T)
	payload, err := json.Marshal(map[string]any{"type": "REQUEST", "resource": r.Resource, "path": e.Path, "httpMethod": r.Method,
		"methodArn":      "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/v1/" + r.Method + e.Path,
		"headers":        map[string]string{"Authorization": "Bearer " + s.Reveal()},
		"stageVariables": map[string]string{"rekey_api": "self"}, "pathParameters": e.PathParameters,
		"requestContext": map[string]any{"requestId": e.RequestContext.RequestID, "identity": map[string]string{
			"sourceIp": e.RequestContext.Identity.SourceIP, "userAgent": e.RequestContext.Identity.UserAgent}}})
	require.NoError(w.T, err)
	gate := &authorizer.Authorizer{Verifier: w.Verifier, Now: w.Now, Routes: authorizer.Routes}
	out, err := gate.Invoke(w.T.Context(), payload)
	header := map[string]string{"Content-Type": "application/problem+json", "X-Request-Id": e.RequestContext.RequestID, "Cache-Control": "no-store"}
	switch {
	case err != nil && err.Error() == "Unauthorized":
		return nil, &Response{Status: http.StatusUnauthorized, Header: header, Body: `{"status":401,"code":"unauthorized"}`}
	case err != nil:
		return nil, &Response{Status: http.StatusServiceUnavailable, Header: header, Body: `{"status":503,"code":"unavailable"}`}
	}
	var policy struct {
		PolicyDocument struct{ Statement []struct{ Effect string } } `json:"policyDocument"`
		Context        map[string]any                                `json:"context"`
	}
	require.NoError(w.T, json.Unmarshal(out, &policy))
	if policy.PolicyDocument.Statement[0].Effect == "Allow" {
		return policy.Context, nil
	}
	c := policy.Context
	body, err := json.Marshal(map[string]any{"status": http.StatusForbidden, "code": c["code"], "detail": c["detail"], "title": c["title"],
		"missing_scope": c["missing_scope"], "missing_permission": c["missing_permission"], "request_id": e.RequestContext.RequestID})
	require.NoError(w.T, err)
	return nil, &Response{Status: http.StatusForbidden, Header: header, Body: string(body)}
}
