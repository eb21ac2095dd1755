package authorizer

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Admit judges the credentials of a request that no authorizer stands in front of, as one would, and returns who calls: for a public
// operation that can also be called by somebody who is signed in. What is not let in is a fault of kind unauthorized.
func (a *Authorizer) Admit(ctx context.Context, authorization, apiKey []string, from audit.Request) (authz.Caller, error) {
	if a.Hold {
		return authz.Caller{}, fault.Down(errOnHold)
	}
	start := a.Now()
	o := verify.Origin{Address: lock.Address(from.SourceIP), IP: from.SourceIP, UserAgent: UserAgent(from.UserAgent), RequestID: from.ID}
	r := Report{Class: verify.Malformed, Status: verify.StatusMalformed, SourceIP: o.IP, RequestID: o.RequestID}
	caller, err := a.admit(ctx, authorization, apiKey, o, &r)
	if r.Took = a.Now().Sub(start); a.Report != nil {
		a.Report(ctx, r)
	}
	return caller, err
}

func (a *Authorizer) admit(ctx context.Context, authorization, apiKey []string, o verify.Origin, r *Report) (authz.Caller, error) {
	refused := fault.New(fault.Unauthorized, fault.NotAccepted)
	p, ok := presented(authorization, apiKey)
	if !ok {
		return authz.Caller{}, refused
	}
	v, err := a.Verifier.Verify(ctx, p, o)
	if err != nil {
		r.Class, r.Err = verify.Unavailable, err
		return authz.Caller{}, err
	}
	r.Class, r.Status = v.Class, v.Status
	if v.Credential != nil {
		r.KeyID, r.Principal = v.Credential.ID, v.Credential.Names.Principal
	}
	if v.Class != verify.Allow {
		return authz.Caller{}, refused
	}
	a.Verifier.Used(ctx, v, p.Secret, o)
	return v.Caller(), nil
}
