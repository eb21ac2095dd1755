package apikey

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// UsagePage is a part of what a key was used for.
type UsagePage struct {
	usage.Page
	// CompleteUntil is up to when nobody is missing who sent a secret of the key: every source, route and verdict of a request
	// that came before is listed. Counts are at least what they say.
	CompleteUntil time.Time
}

// Usage returns what a key was used for in [q.From, q.To), the last 24 hours where they are zero, last used first; ended keys
// included. Wrong secrets are those that the lock counted: of each source the last count alone, with no more than its time.
func (s *Service) Usage(ctx context.Context, c call.Call, k id.Key, q usage.Query) (UsagePage, error) {
	v, err := s.load(ctx, k)
	if err != nil {
		return UsagePage{}, err
	}
	if err := c.Caller.Check(permission.KeysRead, object(v.Key)); err != nil {
		return UsagePage{}, err
	}
	return s.UsageOf(ctx, v, q)
}

// UsageOf is Usage of a key that the caller may see.
func (s *Service) UsageOf(ctx context.Context, v View, q usage.Query) (UsagePage, error) {
	k, now := v.Key.ID, s.Now()
	if q.To.IsZero() {
		q.To = now
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-24 * time.Hour)
	}
	if !q.From.Before(q.To) {
		return UsagePage{}, fault.InvalidField("/from", "is not before to")
	}
	if q.Verdict != "" && !slices.Contains(usage.Verdicts, q.Verdict) {
		return UsagePage{}, fault.InvalidField("/verdict", "is none")
	}
	var (
		wrong []usage.Row
		err   error
	)
	if q.Verdict == "" || q.Verdict == usage.WrongSecret {
		sources, err := s.Store.WrongSecrets(ctx, string(v.Account.ID), k, q.From, q.To)
		if err != nil {
			return UsagePage{}, err
		}
		for _, src := range sources {
			wrong = append(wrong, usage.Row{Key: k, Source: src.Address, UserAgent: src.UserAgent, Verdict: usage.WrongSecret,
				Count: int64(src.Counter.Failures), FirstAt: src.Counter.LastFailureAt, LastAt: src.Counter.LastFailureAt})
		}
	}
	out := UsagePage{CompleteUntil: now.Add(-usage.Settled)}
	if q.To.Before(out.CompleteUntil) {
		out.CompleteUntil = q.To
	}
	out.Page, err = usage.List(ctx, s.Store, k, q, wrong)
	return out, err
}

// Warning is a request that was allowed lately and would become a 403.
type Warning struct {
	API           string // usage.Own, or the ID of a protected API
	Method, Route string
	Scope         permission.Permission // that would be missing
	Count         int64                 // at least so often
	LastAt        time.Time
}

// What the scope guard looks at.
const (
	// GuardFor is how far it looks back.
	GuardFor = 30 * 24 * time.Hour
	// guardKeys is the most keys of an account that it looks at, newest first.
	guardKeys = 100
	// guardRows is the most rows of usage that it looks at, about, newest first: of one key, and of all.
	guardRows, guardRowsInAll = 5_000, 20_000
)

// guardIssue warns of what the account's keys were used for lately and a new one with these scopes could not do.
func (s *Service) guardIssue(ctx context.Context, a serviceaccount.Account, r role.Role, scopes permission.Set, now time.Time) ([]Warning, error) {
	if s.Needs == nil || r.Permissions.And(permission.Machine).Without(scopes).IsEmpty() {
		return nil, nil // it carries all that any key of the account can use
	}
	ids, _, err := s.Store.AccountKeys(ctx, a.ID, "", guardKeys)
	if err != nil {
		return nil, err
	}
	keys, err := s.Store.Keys(ctx, ids)
	if err != nil {
		return nil, err
	}
	var used []id.Key
	had := r.Permissions
	for _, k := range keys {
		if k.LastUsedAt.After(now.Add(-GuardFor)) {
			used = append(used, k.ID)
			had = had.Or(k.Scopes.OnlyProtected()) // of protected scopes a role may hold kinds, its keys hold names
		}
	}
	return s.guard(ctx, used, had, scopes, now)
}

// guard warns of what keys were used for lately, would be refused with these scopes and is not refused already without one of
// those that they had, last used first.
func (s *Service) guard(ctx context.Context, keys []id.Key, had, scopes permission.Set, now time.Time) ([]Warning, error) {
	if s.Needs == nil {
		return nil, nil
	}
	apis, err := s.declaring(ctx, had.Without(scopes).Protected())
	if err != nil {
		return nil, err
	}
	var refused []usage.Row
	read := 0
	for _, k := range keys {
		if read >= guardRowsInAll {
			break
		}
		rows, err := usage.Latest(ctx, s.Store, k, now.Add(-GuardFor), now, guardRows)
		if err != nil {
			return nil, err
		}
		read += len(rows)
		for _, r := range rows {
			if r.Verdict != usage.Accepted || !r.LastAt.After(now.Add(-GuardFor)) {
				continue
			}
			if p, ok := s.needs(apis, r); ok && had.Has(p) && !scopes.Has(p) {
				refused = append(refused, usage.Row{API: r.API, Method: r.Method, Route: r.Route, Count: r.Count, FirstAt: r.FirstAt, LastAt: r.LastAt})
			}
		}
	}
	var out []Warning
	for _, r := range usage.Sum(refused) {
		p, _ := s.needs(apis, r)
		out = append(out, Warning{API: r.API, Method: r.Method, Route: r.Route, Scope: p, Count: r.Count, LastAt: r.LastAt})
	}
	return out, nil
}

// declaring reads the protected APIs that declare scopes.
func (s *Service) declaring(ctx context.Context, scopes []string) ([]protectedapi.API, error) {
	var slugs []string
	for _, name := range scopes {
		slug, _, _ := strings.Cut(name, ":")
		slugs = append(slugs, slug)
	}
	if slugs = slices.Compact(slugs); len(slugs) == 0 { // the names are sorted
		return nil, nil
	}
	found, err := s.Store.Declared(ctx, slugs)
	if err != nil {
		return nil, err
	}
	var ids []id.ProtectedAPI
	for _, d := range found {
		if d.ID != "" {
			ids = append(ids, d.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return s.Store.ProtectedAPIs(ctx, ids)
}

// needs tells what a request needs that a row is of: of rekey's own routes the permission, of those of protected APIs the scope. An API
// with several stages is looked at stage by stage: a row does not tell which one it was.
func (s *Service) needs(apis []protectedapi.API, r usage.Row) (permission.Permission, bool) {
	if r.API == usage.Own {
		return s.Needs(r.Method, r.Route)
	}
	for _, method := range []string{r.Method, "ANY"} {
		for _, a := range apis {
			if i := slices.Index(a.Paths(), method+" "+r.Route); a.GatewayID == r.API && i >= 0 {
				return a.Routes[i].Scope, true
			}
		}
	}
	return "", false
}
