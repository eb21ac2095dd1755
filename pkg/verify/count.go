package verify

import (
	"context"
	"errors"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/period"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// count lays a wrong secret at the door of its source and, unless it is locked already, of the owner. Both counts are
// committed before the caller hears its 401; if either cannot be, the answer is neither yes nor no.
func (v *Verifier) count(ctx context.Context, out Verdict, o Origin, now time.Time) error {
	c, counter := out.Credential, out.counter()
	f := Failure{Owner: c.Owner(), Source: o.Address, Epoch: counter.Epoch, KeyID: c.ID, UserAgent: o.UserAgent, At: now,
		Policy: out.Principal.LockPolicy.Or(v.Policy)}
	if _, err := v.Store.Count(ctx, f); err != nil {
		return unavailable(err)
	}
	if counter.Locked(now) {
		return nil // a trusted source under a lock: only its own count matters
	}
	f.Source = ""
	after, err := v.Store.Count(ctx, f)
	if err != nil {
		return unavailable(err)
	}
	if after.Locked(now) && !after.Announced {
		v.announce(ctx, out, after, o, now)
	}
	return nil
}

// announce records a lock that nobody has recorded yet. The lock holds without it; whoever reads it next tries again, so a
// crash between the count and the record loses nothing.
func (v *Verifier) announce(ctx context.Context, out Verdict, counter lock.Counter, o Origin, now time.Time) {
	c := out.Credential
	for range 3 {
		seq := out.Principal.EventSeq
		target := audit.Target{Type: "service_account", ID: out.Principal.ID, Name: out.Principal.Name}
		if c.ofEmployee() {
			seq = c.EventSeq
			target = audit.Target{Type: c.noun(), ID: c.ID, Name: c.Name}
		}
		e := v.event(out, o, now, audit.PrincipalLocked, audit.Actor{Type: audit.System, ID: "system", Name: "rekey"}, target)
		e.Seq = seq + 1
		policy, effect := out.Principal.LockPolicy.Or(v.Policy), "untrusted_sources"
		if policy.Strict {
			effect = "all"
		}
		e.Details = map[string]any{"failures": counter.Failures, "threshold": counter.Threshold, "key_id": c.ID,
			"key_prefix": c.prefix(), "locked_until": counter.LockEndsAt.UTC().Format(time.RFC3339),
			"window": period.Format(policy.Window), "source_ip": o.Address, "effect": effect}
		err := v.Store.Announce(ctx, c.Owner(), counter, e)
		if err == nil {
			if v.Announced != nil {
				v.Announced()
			}
			return
		}
		if !errors.Is(err, change.ErrLost) {
			v.failed(Announcement, err)
			return
		}
		// Another request announced it, or another record on the owner took the seq: look again.
		snap, err := v.Store.Snapshot(ctx, c.ID, c.Names)
		if err != nil || snap.Credential == nil || snap.Principal == nil {
			v.failed(Announcement, err)
			return
		}
		out.Credential, out.Principal = snap.Credential, snap.Principal
		c = snap.Credential
		if counter = out.counter(); counter.Announced || !counter.Locked(now) {
			return
		}
	}
}

// useTimeout bounds what a request waits for the write of its last use.
const useTimeout = 100 * time.Millisecond

// useTries is how often a use that is to be recorded is written: a record on the credential that comes between, as of a
// retired secret that is still sent, takes its seq.
const useTries = 4

// Used records that the credential of a verdict was used: last_used_at once a minute and generation, its source once a day,
// and in the audit log the first use of the credential and its first use from a source that has not authenticated within 30
// days. A digest under an old pepper is rewritten in the same write. What the credential was used for is noted along with it: see
// tally. It ends before the request is answered, waits at most 100 ms for all of it, and a failure is counted and ignored: the
// next request tries again.
//
// Within a minute that is written it reads the source once a day for each source that the environment meets, so that a source
// which is never the first of a minute is remembered, and recorded, as well; otherwise it does nothing.
func (v *Verifier) Used(ctx context.Context, out Verdict, s token.Secret, o Origin) {
	now, pair := v.Now(), out.Credential.Owner()+" "+o.Address
	today := now.Unix() / (24 * 60 * 60)
	verdict := usage.Accepted
	if out.Class == Forbidden {
		verdict = usage.MissingScope
	}
	began := v.note(out, o, verdict, now)
	used := out.Credential.usedWithin(now) && v.met.is(pair, today)
	if used && !began {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, useTimeout)
	defer cancel()
	if !used {
		if err := v.use(ctx, out, s, o, now); err != nil {
			v.failed(LastUse, err)
		} else {
			v.met.first(pair, today)
		}
	}
	v.flush(ctx, out, now)
}

// use writes what is new of a use, and returns nil when nothing is, or when another request wrote it.
func (v *Verifier) use(ctx context.Context, out Verdict, s token.Secret, o Origin, now time.Time) error {
	var lost error
	for try := range useTries {
		if try > 0 || !out.sourceRead {
			if err := v.readSource(ctx, &out, o); err != nil {
				return err
			}
		}
		u := v.useOf(ctx, out, s, o, now)
		if u.SourceOnly && sameDay(out.source.AuthenticatedAt, now) {
			return nil
		}
		if lost = v.Store.Use(ctx, u); lost == nil || !errors.Is(lost, change.ErrLost) {
			return lost
		}
		c, err := v.Store.Credential(ctx, out.Credential.ID)
		if err != nil {
			return err
		}
		if c == nil || c.Generation != out.Credential.Generation {
			return nil // it was replaced meanwhile: this was the last use of a secret that is retired now
		}
		out.Credential = c
	}
	return lost
}

func sameDay(a, b time.Time) bool {
	return !a.IsZero() && a.UTC().Format(time.DateOnly) == b.UTC().Format(time.DateOnly)
}

// usedWithin tells whether the use of the credential's generation in this minute is written already.
func (c *Credential) usedWithin(now time.Time) bool {
	return c.UsedGen == c.Generation && !c.LastUsedAt.Before(now.Truncate(time.Minute))
}

func (v *Verifier) useOf(ctx context.Context, out Verdict, s token.Secret, o Origin, now time.Time) Use {
	c := out.Credential
	u := Use{Credential: c, Owner: c.Owner(), At: now, Source: out.source, Address: o.Address, UserAgent: o.UserAgent,
		SourceOnly: c.usedWithin(now)}
	if version, key, err := v.Peppers.Current(ctx); err == nil && version != c.Pepper && !u.SourceOnly {
		if tok, ok := token.Parse(s.Reveal()); ok {
			mac := token.MAC(key, tok.Kind, tok.Public, tok.Secret)
			u.Remac, u.RemacVersion = mac[:], version
		}
	}
	if first := c.UsedGen == 0; first || !out.source.Trusted(now) {
		e := v.useEvent(out, o, now, first)
		u.Event = &e
	}
	return u
}

func (v *Verifier) useEvent(out Verdict, o Origin, now time.Time, first bool) audit.Event {
	c := out.Credential
	actor := audit.Actor{Type: actorType(c), ID: out.Principal.ID, Name: out.Principal.Name, KeyID: c.ID, KeyPrefix: c.prefix()}
	if c.Kind == token.Session {
		actor.AssumedCompany = c.Names.Company
	}
	noun := c.noun()
	action := noun + ".new_source"
	if first {
		action = noun + ".first_used"
	}
	e := v.event(out, o, now, action, actor, audit.Target{Type: noun, ID: c.ID, Name: c.Name})
	e.Seq = c.EventSeq + 1
	e.Details = map[string]any{"key_id": c.ID, "key_prefix": c.prefix(), "generation": c.Generation, "source_ip": o.Address}
	return e
}

// Sightings of one credential that an environment writes: so many at once, then one in each interval. Whoever holds a retired
// secret can send it from ever new sources, and each record takes the credential's seq from the record of a use. What is
// beyond is in the log only, as every refusal is, unless the source is one that authenticated lately: a flood of strangers
// does not hide the integration that was forgotten.
const (
	sightingBurst    = 20
	sightingInterval = time.Second
)

// turnedAway notes what a right secret was sent for that may not be used, and remembers its sender if it is to be sighted.
// It waits at most 100 ms for all of it, and a failure is counted and ignored.
func (v *Verifier) turnedAway(ctx context.Context, out Verdict, o Origin, now time.Time, verdict usage.Verdict, sighted bool) {
	began := v.note(out, o, verdict, now)
	// A session that is over is sent by whatever was left open: it ended as sessions do, and nobody is to look after it.
	sighted = sighted && out.Credential.Kind != token.Session && !v.seen.has(out.Credential.ID+" "+o.Address, now.Unix()/60)
	if !began && !sighted {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, useTimeout)
	defer cancel()
	if sighted {
		v.see(ctx, out, o, now)
	}
	v.flush(ctx, out, now)
}

// see remembers that a retired secret came in: at most once a minute and source, and in the audit log at most once an hour
// and source.
func (v *Verifier) see(ctx context.Context, out Verdict, o Origin, now time.Time) {
	c := out.Credential
	if !v.sighted.allow(c.ID, now) {
		if !out.sourceRead {
			if err := v.readSource(ctx, &out, o); err != nil {
				v.failed(Sighting, err)
				return
			}
		}
		if !out.source.Trusted(now) {
			return
		}
	}
	v.seen.first(c.ID+" "+o.Address, now.Unix()/60)
	old, err := v.Store.Sighting(ctx, c.ID, o.Address)
	if err != nil {
		v.failed(Sighting, err)
		return
	}
	if !old.LastAt.Before(now.Truncate(time.Minute)) {
		return
	}
	next := apikey.Sighting{Source: o.Address, UserAgent: o.UserAgent, LastAt: now, Count: old.Count + 1, RecordedAt: old.RecordedAt}
	var record *audit.Event
	if now.Sub(old.RecordedAt) >= time.Hour {
		next.RecordedAt = now
		noun := c.noun()
		actor := audit.Actor{Type: audit.Holder, ID: "holder", Name: "holder of a retired secret", KeyID: c.ID, KeyPrefix: c.prefix()}
		e := v.event(out, o, now, audit.RetiredSeen, actor, audit.Target{Type: noun, ID: c.ID, Name: c.Name})
		e.Seq = c.EventSeq + 1
		e.Details = map[string]any{"key_id": c.ID, "key_prefix": c.prefix(),
			"status": string(out.Status), "source_ip": o.Address, "user_agent": o.UserAgent}
		if noun == "key" { // by which the record is found among its account's
			e.Details["service_account_id"] = c.Names.Principal
		}
		record = &e
	}
	if err := v.Store.See(ctx, c.ID, old, next, record); err != nil && !errors.Is(err, change.ErrLost) {
		v.failed(Sighting, err)
	}
}

// Denied records that a right secret was refused a key-management action: at most once a minute, credential and route, as
// the record's ID is made of these three. It is committed before the answer; an error is a fault of kind unavailable.
func (v *Verifier) Denied(ctx context.Context, e audit.Event, route string) error {
	minute, what := e.At.Unix()/60, "denied "+e.Actor.KeyID+" "+route
	if v.seen.has(what, minute) {
		return nil
	}
	e.ID = audit.DeniedID(e.Actor.KeyID, route, minute)
	e.Operation = id.FromBody[id.Operation](id.Body(e.ID))
	if err := v.Store.Deny(ctx, e); err != nil {
		return unavailable(err)
	}
	v.seen.first(what, minute)
	return nil
}
