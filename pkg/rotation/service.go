package rotation

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// Store is what rotations read and write beside what keys do. Reads are strongly consistent; a rotation that is not there is a
// fault of kind not_found.
type Store interface {
	listing.Places
	List(ctx context.Context, q listing.Query) (listing.Page, error)
	// AccountKeys returns the IDs of an account's keys, newest first; next is "" at the end.
	AccountKeys(ctx context.Context, a id.ServiceAccount, after string, limit int) (ids []id.Key, next string, err error)
	Rotation(ctx context.Context, r id.Rotation) (Rotation, error)
	// Rotations returns rotations of a place and everything below it, or of one account, newest first.
	Rotations(ctx context.Context, q Query) (Page, error)
	Account(ctx context.Context, a id.ServiceAccount) (serviceaccount.Account, error)
	usage.Store
	// Calendar reads a calendar with its events.
	Calendar(ctx context.Context, c id.Calendar) (calendar.Calendar, error)
	// AuditEvents answers with records of a place, newest first; a page may be short, or empty, although there is a next one.
	AuditEvents(ctx context.Context, q audit.Query) (audit.Page, error)
	Deny(ctx context.Context, event audit.Event) error
	Commit(ctx context.Context, s change.Set) error
	Idempotency(ctx context.Context, scope string, now time.Time) (*idempotency.Record, error)
}

// Keys is what rotations need of the keys' use cases.
type Keys interface {
	Load(ctx context.Context, k id.Key) (apikey.View, error)
	Views(ctx context.Context, ids []id.Key) ([]apikey.View, error)
	// Remains is Views with the keys of deleted accounts.
	Remains(ctx context.Context, ids []id.Key) ([]apikey.View, error)
	// UsageOf returns what a key was used for, last used first; it asks no permission.
	UsageOf(ctx context.Context, v apikey.View, q usage.Query) (apikey.UsagePage, error)
	Issuable(ctx context.Context, a serviceaccount.Account) error
	// DraftIssue and Replace decide what issuing a key, and replacing an account's keys, make.
	DraftIssue(ctx context.Context, c call.Call, account id.ServiceAccount, in apikey.Issue) (apikey.Draft, error)
	Replace(ctx context.Context, c call.Call, account id.ServiceAccount, in apikey.Rotate) (apikey.Replacement, error)
	Grantable(ctx context.Context, c authz.Caller, scopes permission.Set) error
	Record(c call.Call, op id.Operation, now time.Time, what string, k apikey.Key) audit.Event
}

// Service is the use cases of rotations. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store Store
	Keys  Keys
	Mint  *mint.Mint
	// Terms are what the policies say of an account's keys.
	Terms func(ctx context.Context, a serviceaccount.Account) (Policy, error)
	// Courier delivers new secrets; it is needed for rotations with a delivery.
	Courier Courier
	Now     func() time.Time
	Rand    io.Reader
}

// Policy is what the policies say of an account's rotations.
type Policy struct {
	Terms     Terms
	Notices   []time.Duration  // longest first
	AllowSelf bool             // a key may rotate itself
	Effective policy.Effective // bounds the life of a new secret
}

// PolicyOf is what of all that holds for an account is about rotations.
func PolicyOf(e policy.Effective) Policy {
	return Policy{Terms: Terms{Overlap: e.Overlap.Value, QuietFor: e.QuietFor.Value, RetireOnQuiet: e.RetireOnQuiet.Value,
		ExtendOnce: e.ExtendOnce.Value, Policy: e.Nearest.Policy}, Notices: e.Notice.Value, AllowSelf: e.AllowRotateSelf.Value, Effective: e}
}

// Under makes the Terms of a Service of the policies that are attached to an account, its company and its nodes.
func Under(f policy.Finder) func(context.Context, serviceaccount.Account) (Policy, error) {
	return func(ctx context.Context, a serviceaccount.Account) (Policy, error) {
		e, err := policy.Resolve(ctx, f, a)
		return PolicyOf(e), err
	}
}

// DefaultPolicy holds where there is no policy.
func DefaultPolicy() Policy { return PolicyOf(policy.EffectiveOf(nil)) }

// Query selects rotations, newest first.
type Query struct {
	Place   string            // ID of a node or a company
	Account id.ServiceAccount // instead of a place
	Direct  bool              // only those of the place itself
	After   string
	Limit   int
}

// Page is a part of a list of rotations.
type Page struct {
	Rotations []Rotation
	Next      string // position to go on from; "" at the end
}

// refuse returns a refusal that the state is the reason of, unless an equal call, which was first, is: that one's answer
// then.
func (s *Service) refuse(ctx context.Context, c call.Call, refusal error) error {
	if c.Idempotency == nil {
		return refusal
	}
	winner, err := s.Store.Idempotency(ctx, c.Idempotency.Scope, s.Now())
	if err != nil {
		return err
	}
	if winner == nil {
		return refusal
	}
	return idempotency.Answer(*winner, c.Idempotency.Fingerprint)
}

func object(r Rotation) authz.Object {
	return authz.Object{Place: r.Place, Account: r.AccountID, What: "rotation"}
}

// Get returns a rotation that the caller may see, as it is now, with who is still on the old key.
func (s *Service) Get(ctx context.Context, c call.Call, r id.Rotation) (View, error) {
	v, err := s.seen(ctx, c, r)
	if err != nil {
		return View{}, err
	}
	v.StillOnOld, err = s.stillOnOld(ctx, v)
	return v, err
}

// seen reads a rotation that the caller may see, as it is now.
func (s *Service) seen(ctx context.Context, c call.Call, r id.Rotation) (View, error) {
	v, err := s.load(ctx, r)
	if err != nil {
		return View{}, err
	}
	if err := c.Caller.Check(permission.RotationsRead, object(v.Rotation)); err != nil {
		return View{}, err
	}
	return Project(v, s.Now()), nil
}

// load reads a rotation and its keys, those of a deleted account too.
func (s *Service) load(ctx context.Context, r id.Rotation) (View, error) {
	stored, err := s.Store.Rotation(ctx, r)
	if err != nil {
		return View{}, err
	}
	v, err := s.views(ctx, []Rotation{stored})
	if err != nil {
		return View{}, err
	}
	return v[0], nil
}

// Filter narrows a list of rotations; at most one of its members is set.
type Filter struct {
	State     State
	DueBefore time.Time // open ones whose overlap ends before
}

// List lists the rotations of a place, newest first; a page may come back short, or empty, although there are more.
func (s *Service) List(ctx context.Context, c call.Call, w listing.Where, account id.ServiceAccount, f Filter, after string, limit int) ([]View, string, error) {
	at, account, err := s.scope(ctx, c, w, account)
	if err != nil {
		return nil, "", err
	}
	q := Query{Direct: w.Direct, After: after, Limit: limit, Account: account}
	if account == "" {
		q.Place = at.ID()
	}
	var out []View
	for read := 0; ; {
		q.Limit = min(limit-len(out), listing.ReadLimit-read)
		page, err := s.Store.Rotations(ctx, q)
		if err != nil {
			return nil, "", err
		}
		views, err := s.views(ctx, page.Rotations)
		if err != nil {
			return nil, "", err
		}
		for _, v := range views {
			if v = Project(v, s.Now()); f.keeps(v.Rotation) {
				out = append(out, v)
			}
		}
		q.After = page.Next
		if read += max(len(page.Rotations), 1); page.Next == "" || len(out) >= limit || read >= listing.ReadLimit {
			return out, page.Next, nil
		}
	}
}

// views reads the keys of rotations, in their order; those of deleted accounts are evidence too.
func (s *Service) views(ctx context.Context, rotations []Rotation) ([]View, error) {
	var ids []id.Key
	for _, r := range rotations {
		ids = append(ids, r.OldKey)
		if r.NewKey != r.OldKey {
			ids = append(ids, r.NewKey)
		}
	}
	keys, err := s.Keys.Remains(ctx, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[id.Key]apikey.View, len(keys))
	for _, k := range keys {
		byID[k.Key.ID] = k
	}
	var out []View
	for _, r := range rotations {
		old, hasOld := byID[r.OldKey]
		next, hasNew := byID[r.NewKey]
		if !hasOld || !hasNew {
			return nil, fmt.Errorf("rotation: the keys of %s are not there", r.ID)
		}
		out = append(out, View{Rotation: r, Old: old, New: next})
	}
	return out, nil
}

func (f Filter) keeps(r Rotation) bool {
	switch {
	case f.State != "":
		return r.State == f.State
	case !f.DueBefore.IsZero():
		return !r.Over() && !r.OverlapEndsAt.IsZero() && r.OverlapEndsAt.Before(f.DueBefore)
	}
	return true
}

// event begins the record of a step of a rotation.
func (s *Service) event(c call.Call, op id.Operation, now time.Time, action string, r Rotation) audit.Event {
	e := c.Event(id.New[id.Event](s.Rand), op, now)
	e.Action, e.Place, e.Seq = action, r.Place, r.EventSeq
	e.Target = audit.Target{Type: "rotation", ID: string(r.ID), Name: string(r.Mode)}
	step := r.Steps[len(r.Steps)-1]
	e.Details = map[string]any{"state": string(r.State), "mode": string(r.Mode), "old_key_id": string(r.OldKey), "new_key_id": string(r.NewKey),
		"service_account_id": string(r.AccountID), "evidence": step.Evidence}
	if !r.OverlapEndsAt.IsZero() {
		e.Details["overlap_ends_at"] = stamp(r.OverlapEndsAt)
	}
	return e
}
