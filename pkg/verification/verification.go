// Package verification answers gateways that are not API Gateway: whether a secret that somebody sent them may be used, and for what.
//
// The verdict is the authorizer's own (package verify), with all that it does: wrong secrets count, retired ones are seen, a use is
// remembered. It is given about credentials of the asking caller's place only, and of no other is anything counted or written: a
// caller names the source of a request itself, and must not be able to count against strangers in another one's name.
package verification

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Judge judges secrets. Its store is Counting's.
type Judge interface {
	Verify(ctx context.Context, p verify.Presented, o verify.Origin) (verify.Verdict, error)
	Used(ctx context.Context, v verify.Verdict, s token.Secret, o verify.Origin)
}

// Store finds whose place a credential is of, and what protected APIs declare. An error is a fault of kind unavailable.
type Store interface {
	// Credential reads one credential by its ID; nil when it is not there.
	Credential(ctx context.Context, id string) (*verify.Credential, error)
	protectedapi.Finder
}

// Service answers. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store Store
	Judge Judge
	Hold  bool // after a restore: nothing is answered
	// Judged is told of the class of every verdict; verify.Unavailable where there was none. It must not block.
	Judged func(verify.Class)
}

// Request is what a gateway asks.
type Request struct {
	Secret    token.Secret
	Require   *string // see permission.Query; nil for no condition
	SourceIP  string  // of whoever sent the secret; "" where the gateway does not say
	UserAgent string  // likewise
	Route     string  // what was asked for: a template, with a method before it and a blank between the two, or without one
}

// Code is the outcome, as the authorizer would have it.
type Code string

const (
	OK                Code = "ok"
	Unauthorized      Code = "unauthorized"       // 401
	MissingScope      Code = "missing_scope"      // 403: a key with further scopes would help
	MissingPermission Code = "missing_permission" // 403: no key of the account would
)

// Answer is what a gateway is told. Of a secret that was never right it learns nothing but that.
type Answer struct {
	Code       Code
	Status     verify.Status
	KeyID      string // of a secret that is or was right; "" otherwise
	Type       audit.ActorType
	Principal  string
	Name       string
	Scopes     []permission.Permission // what the credential can be used for now; of a secret that may be used
	Missing    []permission.Permission // with which Require would hold
	ExpiresAt  time.Time               // zero for never
	Superseded bool
}

// Valid tells whether the request may pass.
func (a Answer) Valid() bool { return a.Code == OK }

// maxText is the most bytes of a route.
const maxText = 200

// check reads what is asked, or says everything that is wrong with it.
func (r Request) check() (permission.Query, error) {
	var bad []fault.Field
	var q permission.Query
	if r.Require != nil {
		var err error
		if q, err = permission.ParseQuery(*r.Require); err != nil {
			bad = append(bad, fault.Field{Pointer: "/require", Detail: err.Error()})
		}
	}
	if _, err := netip.ParseAddr(r.SourceIP); err != nil && r.SourceIP != "" {
		bad = append(bad, fault.Field{Pointer: "/source_ip", Detail: "is no IP address"})
	}
	if len(r.Route) > maxText || strings.ContainsFunc(r.Route, func(c rune) bool { return c < ' ' || c > '~' }) {
		bad = append(bad, fault.Field{Pointer: "/route", Detail: "is longer than 200 characters, or has others than printable ASCII; send the route's template, not the path"})
	}
	return q, fault.InvalidFields(bad)
}

// Verify judges a secret for a caller that holds keys:verify. A credential that is not at the caller's place or below is unknown,
// whatever its secret. The use is recorded as the authorizer records one, before the answer.
func (s *Service) Verify(ctx context.Context, c call.Call, in Request) (Answer, error) {
	if err := c.Caller.Holds(permission.KeysVerify); err != nil {
		return Answer{}, err
	}
	if s.Hold {
		return Answer{}, &fault.Error{Kind: fault.Unavailable, RetryAfter: time.Minute, Detail: "The deployment is on hold after a restore; nothing is answered until it ends."}
	}
	q, err := in.check()
	if err != nil {
		return Answer{}, err
	}
	answer, class, err := s.answer(ctx, c, in, q)
	if err != nil {
		class = verify.Unavailable
	}
	if s.Judged != nil {
		s.Judged(class)
	}
	return answer, err
}

func (s *Service) answer(ctx context.Context, c call.Call, in Request, q permission.Query) (Answer, verify.Class, error) {
	tok, ok := token.Parse(in.Secret.Reveal())
	if !ok {
		return Answer{Code: Unauthorized, Status: verify.StatusMalformed}, verify.Malformed, nil
	}
	unknown := Answer{Code: Unauthorized, Status: verify.StatusUnknown}
	found, err := s.Store.Credential(ctx, tok.ID())
	if err != nil {
		return Answer{}, "", err
	}
	// The place and the principal of a credential never change, so what is known of them before the verdict holds for it.
	if found == nil || c.Caller.Check(permission.KeysVerify, object(found)) != nil {
		return unknown, verify.Unknown, nil
	}
	o := origin(c, in)
	v, err := s.Judge.Verify(ctx, verify.Presented{Secret: in.Secret}, o)
	if err != nil {
		return Answer{}, "", err
	}
	out := Answer{Code: Unauthorized, Status: v.Status}
	if v.Current || v.Status == verify.StatusRetired {
		out.KeyID, out.Superseded = v.Credential.ID, v.Credential.SupersededBy != ""
		who := v.Caller()
		out.Type, out.Principal, out.Name = who.Type, who.ID, who.Name
	}
	if v.Current {
		out.ExpiresAt = v.Credential.ExpiresAt
	}
	if v.Class != verify.Allow {
		return out, v.Class, nil
	}
	if err := s.require(ctx, q, v, &out); err != nil {
		return Answer{}, "", err
	}
	if !out.Valid() {
		v.Class = verify.Forbidden
	}
	s.Judge.Used(ctx, v, in.Secret, o)
	return out, v.Class, nil
}

func object(c *verify.Credential) authz.Object {
	return authz.Object{Place: c.Place, Account: id.ServiceAccount(c.Names.Principal), What: "key"}
}

// require says what an accepted credential can be used for, and whether that is what is asked for. A protected scope that no API at
// the credential's place or above declares is nobody's.
func (s *Service) require(ctx context.Context, q permission.Query, v verify.Verdict, out *Answer) error {
	who := v.Caller()
	held, carried := who.Role, v.Credential.Scopes
	names := carried.Protected()
	for _, p := range q.Terms() {
		names = append(names, string(p))
	}
	kinds, err := protectedapi.Usable(ctx, s.Store, names, who.Place)
	if err != nil {
		return err
	}
	inRole := func(p permission.Permission) bool {
		k, protected := kinds[p]
		return protected && held.Allows(p, k) || permission.Known(p) && held.Has(p)
	}
	holds := func(p permission.Permission) bool {
		k, protected := kinds[p]
		return inRole(p) && (protected && carried.Allows(p, k) || permission.Known(p) && carried.Has(p))
	}
	for _, p := range carried.List() {
		if holds(p) {
			out.Scopes = append(out.Scopes, p)
		}
	}
	out.Code, out.Missing = OK, q.Missing(holds)
	for _, p := range out.Missing {
		if !inRole(p) {
			out.Code = MissingPermission
			return nil
		}
		out.Code = MissingScope
	}
	return nil
}

// via begins the name of a source that a gateway did not tell.
const via = "via "

// origin is where the secret came from, as the gateway tells it. Where it does not, the gateway's own principal stands for the source:
// it can be trusted, as any other, but what it hands on does not count against it (see Counting).
func origin(c call.Call, in Request) verify.Origin {
	o := verify.Origin{Address: lock.Address(in.SourceIP), IP: in.SourceIP, UserAgent: in.UserAgent, RequestID: c.Request.ID, API: usage.Verified,
		Method: "ANY", Route: in.Route}
	if in.SourceIP == "" {
		o.Address = via + c.Caller.ID
	}
	if method, path, ok := strings.Cut(in.Route, " "); ok {
		o.Method, o.Route = method, path
	}
	if o.Route == "" {
		o.Route = "*" // that the key was used, and from where, is to be seen all the same
	}
	return o
}

// Counting is the store of a Judge: wrong secrets that come without their source count against their owner alone. Otherwise a stranger
// who sends wrong secrets through a gateway would use up the gateway's own count, and the gateway would be refused with all who send
// right ones through it.
type Counting struct{ verify.Store }

// Count counts a failure.
func (s Counting) Count(ctx context.Context, f verify.Failure) (lock.Counter, error) {
	if strings.HasPrefix(f.Source, via) {
		return lock.Counter{}, nil
	}
	return s.Store.Count(ctx, f)
}
