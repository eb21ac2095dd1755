package storetest

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/session"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func (w *world) newSession(of id.Employee, at place.Place) session.Session {
	return session.Session{ID: newID[id.Session](), EmployeeID: of, Place: at, Epoch: 2, Passkey: newID[id.Credential](), MAC: newMAC(),
		PepperVersion: "v1", SourceIP: "192.0.2.1", UserAgent: "browser", CreatedAt: w.now, ExpiresAt: w.now.Add(session.Life), EventSeq: 1}
}

// inside makes the session of one employee inside the company, opened with a parent.
func (w *world) inside(parent session.Session) session.Session {
	s := w.newSession(parent.EmployeeID, w.co)
	s.Parent, s.Passkey, s.Scopes, s.Reason = string(parent.ID), "", permission.Of(permission.KeysRead), "ticket 7"
	s.CompanyEpoch = 7
	s.ExpiresAt = w.now.Add(session.AssumedLife)
	return s
}

func (w *world) sessionMade(s session.Session) change.Set {
	return w.set(w.happened("session", string(s.ID), 1), session.Create{Session: s})
}

func (w *world) session(of id.Employee) session.Session {
	w.t.Helper()
	s := w.newSession(of, w.root)
	w.commit(w.sessionMade(s))
	return s
}

func (w *world) signOut(s session.Session) change.Set {
	return w.set(w.happened("session", string(s.ID), s.EventSeq+1), session.Revoke{Old: s, At: w.now.Add(time.Minute)})
}

func verdictOfSession(s session.Session) *verify.Credential {
	c := &verify.Credential{ID: string(s.ID), Kind: token.Session, Place: s.Place, Names: verify.Names{Principal: string(s.EmployeeID),
		Company: s.Place.Company, Parent: s.Parent}, MAC: s.MAC, Pepper: "v1", Generation: session.Generation, IssueEpoch: s.Epoch,
		CompanyEpoch: s.CompanyEpoch, EventSeq: s.EventSeq, Scopes: s.Scopes, Revoked: !s.RevokedAt.IsZero(), ExpiresAt: s.EndsAt(), Until: s.ExpiresAt, LastUsedAt: s.LastUsedAt}
	if s.Parent == "" {
		c.Scopes = permission.All
	}
	return c
}

var sessionTests = []test{
	{"a session reads as it was written, and its ID is taken once", func(w *world) {
		own := w.newSession(newID[id.Employee](), w.root)
		for _, s := range []session.Session{own, w.inside(own)} {
			w.commit(w.sessionMade(s))
			got, err := w.store.Session(w.ctx, s.ID)
			w.NoError(err)
			w.same(s, got)
			w.lost(w.sessionMade(s), session.Create{})
		}
		_, err := w.store.Session(w.ctx, newID[id.Session]())
		w.notFound(err)
	}},
	{"where a session began is a source that authenticated, so that strangers do not lock it out from there", func(w *world) {
		s := w.session(newID[id.Employee]())
		got, err := w.store.Source(w.ctx, string(s.ID), "192.0.2.1")
		w.NoError(err)
		w.Equal(s.CreatedAt, got.AuthenticatedAt)
		w.Equal("browser", got.UserAgent)
		got, err = w.store.Source(w.ctx, string(s.ID), "192.0.2.2")
		w.NoError(err)
		w.True(got.AuthenticatedAt.IsZero())
	}},
	{"a session is revoked once, and stays listed", func(w *world) {
		s := w.session(newID[id.Employee]())
		w.commit(w.signOut(s))
		w.lost(w.signOut(s), session.Revoke{})
		got, err := w.store.Session(w.ctx, s.ID)
		w.NoError(err)
		w.Equal(session.Revoked, got.Status(s.Epoch, w.now))
		w.Equal(int64(2), got.EventSeq)
		page, _, err := w.store.Sessions(w.ctx, s.EmployeeID, "", 10)
		w.NoError(err)
		w.Len(page, 1)
	}},
	{"an employee's sessions are listed newest first, page by page, and no one else's", func(w *world) {
		who := newID[id.Employee]()
		var want []id.Session
		for i := range 5 {
			s := w.newSession(who, w.root)
			s.CreatedAt = w.now.Add(time.Duration(i) * time.Minute)
			w.commit(w.sessionMade(s))
			want = append([]id.Session{s.ID}, want...)
		}
		w.session(newID[id.Employee]())
		var got []id.Session
		after := ""
		for {
			page, next, err := w.store.Sessions(w.ctx, who, after, 2)
			w.NoError(err)
			w.LessOrEqual(len(page), 2)
			for _, s := range page {
				got = append(got, s.ID)
			}
			if next == "" {
				break
			}
			after = next
		}
		w.Equal(want, got)
		page, next, err := w.store.Sessions(w.ctx, newID[id.Employee](), "", 2)
		w.NoError(err)
		w.Empty(page)
		w.Empty(next)
	}},
	{"a session is a credential of its employee, of an epoch, until it has been idle", func(w *world) {
		e := w.newEmployee(string(newID[id.Employee]()) + "@example.com")
		e.SessionEpoch = 2
		w.commit(w.set(w.happened("employee", string(e.ID), 1), employee.Create{Employee: e}))
		s := w.session(e.ID)
		c, err := w.store.Credential(w.ctx, string(s.ID))
		w.NoError(err)
		w.same(verdictOfSession(s), c)
		w.Equal(w.now.Add(session.IdleAfter), c.ExpiresAt)
		w.Equal(permission.All, c.Scopes)
		p := w.snapshot(string(s.ID), c.Names).Principal
		w.Equal(int64(2), p.IssueEpoch)
	}},
	{"the use of a session puts its idle end off, up to its own", func(w *world) {
		s := w.session(newID[id.Employee]())
		for _, at := range []time.Time{w.now.Add(20 * time.Minute), w.now.Add(session.Life - time.Minute)} {
			c, err := w.store.Credential(w.ctx, string(s.ID))
			w.NoError(err)
			w.NoError(w.store.Use(w.ctx, verify.Use{Credential: c, Owner: string(s.ID), At: at, Address: "192.0.2.1"}))
			got, err := w.store.Session(w.ctx, s.ID)
			w.NoError(err)
			w.Equal(at, got.LastUsedAt)
			c, err = w.store.Credential(w.ctx, string(s.ID))
			w.NoError(err)
			w.Equal(got.EndsAt(), c.ExpiresAt)
		}
	}},
	{"the snapshot of a session inside a company has its parent, a session or a token", func(w *world) {
		parent := w.session(newID[id.Employee]())
		s := w.inside(parent)
		w.commit(w.sessionMade(s))
		c, err := w.store.Credential(w.ctx, string(s.ID))
		w.NoError(err)
		w.same(verdictOfSession(s), c)
		got := w.snapshot(string(s.ID), c.Names)
		w.same(verdictOfSession(s), got.Credential)
		w.same(verdictOfSession(parent), got.Parent)
		w.False(got.Suspended)
		got = w.snapshot("", c.Names)
		w.Nil(got.Credential)
		w.same(verdictOfSession(parent), got.Parent)
		t := w.token()
		names := c.Names
		names.Parent = string(t.ID)
		w.Equal(string(t.ID), w.snapshot(string(s.ID), names).Parent.ID)
		names.Parent = string(newID[id.Session]())
		w.Nil(w.snapshot(string(s.ID), names).Parent)
	}},
	{"wrong secrets of a session are counted on it, and its lock is announced", func(w *world) {
		s := w.session(newID[id.Employee]())
		f := verify.Failure{Owner: string(s.ID), KeyID: string(s.ID), At: w.now, Policy: lockPolicy}
		var err error
		for range lockPolicy.Threshold {
			_, err = w.store.Count(w.ctx, f)
			w.NoError(err)
		}
		c, err := w.store.Credential(w.ctx, string(s.ID))
		w.NoError(err)
		w.True(c.Lock.Locked(w.now))
		e := w.happened("session", string(s.ID), 2)
		e.Action = audit.PrincipalLocked
		w.NoError(w.store.Announce(w.ctx, string(s.ID), c.Lock, e))
		again := w.happened("session", string(s.ID), 3)
		again.Action = audit.PrincipalLocked
		w.ErrorIs(w.store.Announce(w.ctx, string(s.ID), c.Lock, again), change.ErrLost)
	}},
}
