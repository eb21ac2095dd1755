package dynamo

import (
	"context"
	"slices"
	"strings"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/session"
)

func encodeSession(s session.Session) item {
	it := newItem(sessionKey(s.ID), typeSession)
	it.string(attrEmployee, string(s.EmployeeID))
	it.place(s.Place)
	it.int(attrIssueEpoch, s.Epoch)
	it.int(attrCompanyEpoch, s.CompanyEpoch)
	it.string(attrPasskey, string(s.Passkey))
	it.string(attrParent, s.Parent)
	it.string(attrScopes, s.Scopes.Text())
	it.string(attrReason, s.Reason)
	it.int(attrGeneration, session.Generation)
	it.bytes(attrMAC, s.MAC)
	it.string(attrPepper, s.PepperVersion)
	it.string(attrSourceIP, s.SourceIP)
	it.string(attrUserAgent, s.UserAgent)
	it.time(attrCreatedAt, s.CreatedAt)
	it.time(attrExpiresAt, s.ExpiresAt)
	it.time(attrRevokedAt, s.RevokedAt)
	it.time(attrLastUsedAt, s.LastUsedAt)
	it.int(attrEventSeq, s.EventSeq)
	it.int(attrTTL, s.ExpiresAt.Add(session.KeptFor).Unix())
	return it
}

func decodeSession(it item) (session.Session, error) {
	r := reader{it: it}
	return session.Session{ID: id.Session(r.string(attrPK)), EmployeeID: id.Employee(r.string(attrEmployee)), Place: r.place(),
		Epoch: r.int(attrIssueEpoch), CompanyEpoch: r.int(attrCompanyEpoch), Passkey: id.Credential(r.string(attrPasskey)), Parent: r.string(attrParent),
		Scopes: r.permissions(attrScopes), Reason: r.string(attrReason), MAC: r.bytes(attrMAC), PepperVersion: r.string(attrPepper),
		SourceIP: r.string(attrSourceIP), UserAgent: r.string(attrUserAgent), CreatedAt: r.time(attrCreatedAt),
		ExpiresAt: r.time(attrExpiresAt), RevokedAt: r.time(attrRevokedAt), LastUsedAt: r.time(attrLastUsedAt),
		EventSeq: r.int(attrEventSeq)}, r.err
}

// sessionRow lists a session at its employee.
func sessionRow(s session.Session) item {
	it := newItem(sessionRowKey(s.EmployeeID, s.CreatedAt, s.ID), typeSessionRow)
	it.string(attrID, string(s.ID))
	it.int(attrTTL, s.ExpiresAt.Add(session.KeptFor).Unix())
	return it
}

func (b *builder) createSession(w session.Create) {
	table := b.store.tables.Identity
	b.put(create(table, sessionKey(w.Session.ID), encodeSession(w.Session), w, "the ID is taken"))
	row := sessionRow(w.Session)
	b.put(create(table, sessionRowKey(w.Session.EmployeeID, w.Session.CreatedAt, w.Session.ID), row, w, "it is listed already"))
	if address := lock.Address(w.Session.SourceIP); address != "" { // where it began is trusted: strangers do not lock it out from there
		at := sourceKey(string(w.Session.ID), address)
		source := newItem(at, typeSource)
		source.ttl(w.Session.CreatedAt.Add(sourceKept))
		source.time(attrAuthenticatedAt, w.Session.CreatedAt)
		source.string(attrUserAgent, w.Session.UserAgent)
		b.put(create(table, at, source, w, "the ID is taken"))
	}
}

func (b *builder) revokeSession(w session.Revoke) {
	a := action{table: b.store.tables.Identity, key: sessionKey(w.Old.ID), write: w, reason: "the session has changed"}
	e := &a.expr
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrEventSeq, w.Old.EventSeq))
	e.setTime(attrRevokedAt, w.At)
	e.setInt(attrEventSeq, w.Old.EventSeq+1)
	b.put(a)
}

func (b *builder) noteSession(w session.Note) {
	a := action{table: b.store.tables.Identity, key: sessionKey(w.Old.ID), write: w, reason: "the session has changed"}
	e := &a.expr
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrEventSeq, w.Old.EventSeq))
	e.setInt(attrEventSeq, w.Old.EventSeq+1)
	b.put(a)
}

// Session reads a session.
func (s *Store) Session(ctx context.Context, ses id.Session) (_ session.Session, err error) {
	defer wrap(&err, "Store.Session(%s)", ses)
	return one(ctx, s, s.tables.Identity, sessionKey(ses), "session", decodeSession)
}

// Sessions reads a page of an employee's sessions, newest first: one query and one BatchGetItem. One whose item is gone is left out.
// next is "" at the end.
func (s *Store) Sessions(ctx context.Context, e id.Employee, after string, limit int) (_ []session.Session, next string, err error) {
	defer wrap(&err, "Store.Sessions(%s)", e)
	rows, next, err := s.page(ctx, query{table: s.tables.Identity, pk: string(e), prefix: prefixSession, after: after, newest: true,
		columns: []string{attrSK}}, limit, listing.ReadLimit)
	if err != nil || len(rows) == 0 {
		return nil, next, err
	}
	keys := make([]key, len(rows))
	for i, row := range rows {
		keys[i] = sessionKey(id.Session(afterHash(sortKey(row))))
	}
	found, err := many(ctx, s, s.tables.Identity, keys, decodeSession)
	slices.SortFunc(found, func(a, b session.Session) int {
		return strings.Compare(sessionPosition(b.CreatedAt, b.ID), sessionPosition(a.CreatedAt, a.ID))
	})
	return found, next, err
}
