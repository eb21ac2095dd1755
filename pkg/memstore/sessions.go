package memstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/session"
)

// heldSession is a session with the counter of its own lock.
type heldSession struct {
	session.Session
	lock lock.Counter
}

func copySession(s session.Session) session.Session {
	s.MAC = slices.Clone(s.MAC)
	return s
}

func (t *transaction) createSession(w session.Create) string {
	if _, ok := t.sessions[w.Session.ID]; ok {
		return "the session exists"
	}
	t.touch("session " + string(w.Session.ID))
	kept := copySession(w.Session)
	t.then(func() {
		t.sessions[kept.ID] = heldSession{Session: kept}
		if address := lock.Address(kept.SourceIP); address != "" {
			put(t.sources, string(kept.ID), address, lock.Source{Address: address, UserAgent: kept.UserAgent, AuthenticatedAt: kept.CreatedAt})
		}
	})
	return ""
}

func (t *transaction) revokeSession(w session.Revoke) string {
	old, ok := t.sessions[w.Old.ID]
	if !ok || old.EventSeq != w.Old.EventSeq {
		return "the session has changed"
	}
	t.touch("session " + string(old.ID))
	t.then(func() {
		old.RevokedAt = w.At
		old.EventSeq++
		t.sessions[old.ID] = old
	})
	return ""
}

func (t *transaction) noteSession(w session.Note) string {
	old, ok := t.sessions[w.Old.ID]
	if !ok || old.EventSeq != w.Old.EventSeq {
		return "the session has changed"
	}
	t.touch("session " + string(old.ID))
	t.then(func() {
		old.EventSeq++
		t.sessions[old.ID] = old
	})
	return ""
}

// Session returns a session.
func (s *Store) Session(ctx context.Context, ses id.Session) (session.Session, error) {
	held, err := one(ctx, s, s.sessions, ses, "session")
	return copySession(held.Session), err
}

// Sessions returns a page of an employee's sessions, newest first.
func (s *Store) Sessions(ctx context.Context, e id.Employee, after string, limit int) ([]session.Session, string, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, "", err
	}
	var all []session.Session
	for _, held := range s.sessions {
		if held.EmployeeID == e && (after == "" || sessionPosition(held.Session) < after) {
			all = append(all, copySession(held.Session))
		}
	}
	slices.SortFunc(all, func(a, b session.Session) int { return strings.Compare(sessionPosition(b), sessionPosition(a)) })
	if len(all) <= limit {
		return all, "", nil
	}
	return all[:limit], sessionPosition(all[limit-1]), nil
}

func sessionPosition(s session.Session) string {
	return s.CreatedAt.UTC().Format(time.RFC3339Nano) + "#" + string(s.ID)
}
