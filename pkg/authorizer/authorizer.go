// Package authorizer answers API Gateway's question whether a request may pass.
//
// It turns the gateway's event into a verdict of package verify and the verdict into a policy for exactly the method that was
// asked about: 401 is the error "Unauthorized", 403 an explicit Deny with its reason in the context, a fault of rekey itself
// any other error, which the gateway answers as 503. It keeps no verdict and leaves nothing running when it returns.
package authorizer

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Authorizer serves the gateway's questions. Its fields are set once; it may be used by many goroutines.
type Authorizer struct {
	Verifier *verify.Verifier
	Hold     bool // after a restore: no verdict is given
	Now      func() time.Time
	// Report is told of every verdict, with the time it took; it must not block and never sees a secret.
	Report func(ctx context.Context, r Report)
	Routes Table // of rekey's own API
}

// Report is what is known of one verdict.
type Report struct {
	Class     verify.Class
	Status    verify.Status
	Code      fault.Kind // of a 403
	Lacks     string     // the scope or permission of a 403
	Principal string
	KeyID     string
	Company   string
	Route     string
	SourceIP  string
	RequestID string
	Took      time.Duration
	Err       error // of class F5
}

// errUnauthorized is the text, exact and unwrapped, that API Gateway answers with 401.
var errUnauthorized = errors.New("Unauthorized")

// errOnHold is the answer to everything while a restored deployment is on hold.
var errOnHold = errors.New("authorizer: the deployment is on hold")

// timeout bounds one verdict; the gateway waits at most 10 s for it.
const timeout = 2 * time.Second

// Invoke is the Lambda handler: an authorizer event in, a policy out.
func (a *Authorizer) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	start := a.Now()
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, errors.New("authorizer: the event is not of API Gateway")
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	o := e.origin()
	r := Report{Route: e.route(), SourceIP: o.IP, RequestID: o.RequestID}
	answer, err := a.decide(ctx, &e, o, &r)
	if r.Err = err; err == errUnauthorized {
		r.Err = nil
	} else if err != nil {
		r.Class = verify.Unavailable
	}
	r.Took = a.Now().Sub(start)
	if a.Report != nil {
		a.Report(ctx, r)
	}
	return answer, err
}

// route names what is asked for, without anything that the caller chose.
func (e *event) route() string {
	if e.isHTTP2() {
		return e.RouteKey
	}
	return e.Method + " " + e.Resource
}

func (a *Authorizer) decide(ctx context.Context, e *event, o verify.Origin, r *Report) ([]byte, error) {
	if a.Hold {
		return nil, errOnHold
	}
	presented, ok := e.credentials()
	if !ok {
		r.Class, r.Status = verify.Malformed, verify.StatusMalformed
		return e.unauthorized()
	}
	v, err := a.Verifier.Verify(ctx, presented, o)
	if err != nil {
		return nil, err
	}
	r.Class, r.Status = v.Class, v.Status
	if v.Credential != nil {
		r.KeyID, r.Principal, r.Company = v.Credential.ID, v.Credential.Names.Principal, string(v.Credential.Names.Company)
	}
	if v.Class != verify.Allow {
		return e.unauthorized()
	}
	caller := v.Caller()
	refusal, err := a.permit(ctx, e, r.Route, v, caller, o)
	if err != nil {
		return nil, err
	}
	if refusal != nil {
		v.Class = verify.Forbidden
	}
	a.Verifier.Used(ctx, v, presented.Secret, o)
	if refusal != nil {
		r.Class, r.Code = v.Class, refusal.Kind
		r.Lacks = refusal.MissingScope + refusal.MissingPermission
		return e.deny(caller.ID, refusal)
	}
	return e.allow(caller, v, a.Now())
}

// permit returns the refusal of a caller who may not pass, and nil of one who may. The refusal of key management is on
// record before it is returned.
func (a *Authorizer) permit(ctx context.Context, e *event, asked string, v verify.Verdict, caller authz.Caller, o verify.Origin) (*fault.Error, error) {
	var route Route
	var err error
	if e.own() {
		var ok bool
		if route, ok = a.Routes.Find(asked); !ok {
			return nil, errors.New("authorizer: no such route: " + asked)
		}
		if route.Permission != "" {
			err = caller.Holds(route.Permission)
		}
	} else {
		err = e.guarded(v, caller)
	}
	if err == nil {
		return nil, nil
	}
	var refusal *fault.Error
	if !errors.As(err, &refusal) {
		return nil, err
	}
	if how, recorded := route.Denied(); recorded {
		if err := a.Verifier.Denied(ctx, denied(how, e, caller, o, a.Now()), asked); err != nil {
			return nil, err
		}
	}
	return refusal, nil
}

// denied makes the record of a refused operation. The object was not looked up: the target is the ID in the path, and the
// place the caller's own.
func denied(d Denied, e *event, caller authz.Caller, o verify.Origin, now time.Time) audit.Event {
	out := audit.Event{At: now, Action: d.Action, Actor: caller.Actor(), Place: caller.Place, SourceIP: o.IP,
		UserAgent: o.UserAgent, RequestID: o.RequestID, Outcome: audit.Denied,
		Target: audit.Target{Type: d.TargetType, ID: e.PathParameters.ID}}
	if out.Target.ID == "" || len(out.Target.ID) > 64 || !plain(out.Target.ID) {
		out.Target = placeTarget(caller.Place)
	}
	if d.Change != "" {
		out.Details = map[string]any{"change": d.Change}
		if d.TargetType == "service_account" {
			out.Details["service_account_id"] = out.Target.ID
		}
	}
	return out
}

func placeTarget(p place.Place) audit.Target {
	if p.Company != "" {
		return audit.Target{Type: "company", ID: string(p.Company)}
	}
	return audit.Target{Type: "node", ID: string(p.Node())}
}

// plain tells whether s is of the characters of an ID; a secret in the path is longer and is not recorded.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return true
}
