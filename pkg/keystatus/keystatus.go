// Package keystatus answers whoever holds a secret: what is the matter with it, and end it.
//
// Possession is the only right that is asked for. The static 401 cannot say why a key was refused; this can, to its holder
// alone: whoever sends a secret that was never right learns nothing, and the try counts as any wrong secret does.
package keystatus

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/signin"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Judge judges a secret for its holder. An error is a fault of kind unavailable.
type Judge interface {
	Inquire(ctx context.Context, s token.Secret, o verify.Origin) (verify.Verdict, error)
}

// Keys ends a key on its holder's word.
type Keys interface {
	RevokeHeld(ctx context.Context, c call.Call, k id.Key, generation int64, reason, note string) error
}

// Tokens ends a personal access token on its holder's word.
type Tokens interface {
	RevokeHeld(ctx context.Context, c call.Call, t id.PAT, generation int64, reason, note string) error
}

// Sessions ends a session on its holder's word.
type Sessions interface {
	RevokeHeld(ctx context.Context, c call.Call, s id.Session, reason, note string) error
}

var (
	_ Tokens   = (*accesstoken.Service)(nil)
	_ Sessions = (*signin.Service)(nil)
)

// Service is the two use cases of a holder.
type Service struct {
	Judge    Judge
	Keys     Keys
	Tokens   Tokens
	Sessions Sessions
	Hold     bool // after a restore: nothing is answered
	// Judged is told of the class of every verdict; verify.Unavailable where there was none. It must not block.
	Judged func(verify.Class)
}

// inquire judges a secret and says so. One-time codes are unknown here without a look at the store, so that nobody tries them here.
func (s *Service) inquire(ctx context.Context, secret token.Secret, o verify.Origin) (verify.Verdict, error) {
	v, err := verify.Verdict{Class: verify.Unknown, Status: verify.StatusUnknown}, error(nil)
	if kindOf(secret) != token.OneTimeCode {
		v, err = s.Judge.Inquire(ctx, secret, o)
	}
	if err != nil {
		v.Class = verify.Unavailable
	}
	if s.Judged != nil {
		s.Judged(v.Class)
	}
	return v, err
}

// Answer is what a holder is told. What is not known to whoever holds the secret is empty.
type Answer struct {
	Status      verify.Status
	Detail      string
	KeyID       string
	ExpiresAt   time.Time // zero for never, and where the holder is told nothing
	LockedUntil time.Time // zero when the account is not locked
	// SupersededBy is the key that takes over; "" for none, and after a compromise.
	SupersededBy string
}

// Status tells the holder of a secret what it is good for. Asking is no use of the key.
func (s *Service) Status(ctx context.Context, secret token.Secret, o verify.Origin) (Answer, error) {
	if s.Hold {
		return Answer{}, held()
	}
	v, err := s.inquire(ctx, secret, o)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: v.Status, Detail: detail(v.Status, secret)}
	if v.Current || v.Status == verify.StatusRetired {
		a.KeyID = v.Credential.ID
		a.LockedUntil = v.LockedUntil
		a.SupersededBy = v.Credential.SupersededBy
	}
	if v.Current {
		a.ExpiresAt = v.Credential.ExpiresAt
	}
	return a, nil
}

// Revoke ends the key that a secret is the current one of, and does nothing for any other secret. Its caller is answered
// the same in every case, so it tells nobody whether a secret is right.
func (s *Service) Revoke(ctx context.Context, secret token.Secret, reason string, o verify.Origin) error {
	if s.Hold {
		return held()
	}
	note := ""
	if apikey.CheckReason(reason) != nil { // in the holder's own words, which never stand in the way
		reason, note = apikey.ReasonUnspecified, token.Redact(reason)
		if name.CheckDescription(note) != "" {
			note = ""
		}
	}
	if reason == "" {
		reason = apikey.ReasonCompromise
	}
	v, err := s.inquire(ctx, secret, o)
	if err != nil || !v.Current {
		return err
	}
	c := v.Credential
	held := call.Call{Caller: authz.Caller{Type: audit.Holder, ID: string(audit.Holder), Name: "holder of the secret", KeyID: c.ID, KeyPrefix: prefix(c)},
		Request: audit.Request{ID: o.RequestID, SourceIP: o.IP, UserAgent: o.UserAgent}, Route: "POST /keys/self-revoke"}
	if t, ok := id.Parse[id.PAT](c.ID); ok {
		return s.Tokens.RevokeHeld(ctx, held, t, c.Generation, reason, note)
	}
	if ses, ok := id.Parse[id.Session](c.ID); ok {
		return s.Sessions.RevokeHeld(ctx, held, ses, reason, note)
	}
	if k, ok := id.Parse[id.Key](c.ID); ok {
		return s.Keys.RevokeHeld(ctx, held, k, c.Generation, reason, note)
	}
	return nil
}

func prefix(c *verify.Credential) string { return token.Prefix(c.Kind, c.ID[len(c.Kind.IDPrefix()):]) }

func held() error {
	return &fault.Error{Kind: fault.Unavailable, RetryAfter: time.Minute, Detail: "The deployment is on hold after a restore; nothing is answered until it ends."}
}
