package authorizer

import (
	"strings"

	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// guarded returns the refusal of a caller at another API than rekey's own, and nil of one who may pass. The registration is as it was
// read with the verdict. Where the caller's place is not at the API's node or below, it is as if the API were not registered.
func (e *event) guarded(v verify.Verdict, caller authz.Caller) error {
	if v.Guard == nil || !v.Guard.Place.Covers(caller.Place) {
		return fault.New(fault.APINotRegistered, "This API is not registered at or above this key's place. "+
			"Register it with POST /v1/protected-apis.")
	}
	if v.Guard.ContextOnly {
		return nil
	}
	method, path := e.asked()
	route, ok := Table(v.Guard.Routes).Find(method + " " + path)
	if !ok {
		route, ok = Table(v.Guard.Routes).Find("ANY " + path)
	}
	if !ok {
		return fault.New(fault.APINotRegistered, method+" "+path+" is no route of this API's registration.")
	}
	return caller.HoldsScope(caller.Role, v.Credential.Scopes, route.Permission, permission.Kind(route.rest))
}

// asked is the request's own method and the template of its path. The route of an HTTP API may be one for any method.
func (e *event) asked() (method, path string) {
	if !e.isHTTP2() {
		return e.Method, e.Resource
	}
	_, path, ok := strings.Cut(e.RouteKey, " ")
	if !ok {
		path = e.RouteKey // $default
	}
	return e.Context.HTTP.Method, path
}
