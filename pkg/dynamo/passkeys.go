package dynamo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/passkey"
)

func passkeyKey(c id.Credential) key { return key{string(c), "credential"} }

// passkeyIDKey reserves the ID that an authenticator gave its passkey: no two employees have one with the same.
func passkeyIDKey(credentialID []byte) key {
	sum := sha256.Sum256(credentialID)
	return key{"passkey#" + hex.EncodeToString(sum[:]), "passkey"}
}

func challengeKey(c id.Challenge) key { return key{"challenge#" + string(c), "challenge"} }

func encodePasskey(p passkey.Passkey) item {
	it := newItem(passkeyKey(p.ID), typePasskey)
	it.string(attrEmployee, string(p.EmployeeID))
	it.place(p.Place)
	it.string(attrName, p.Name)
	it.string(attrRPID, p.Record.RPID)
	it.bytes(attrCredentialID, p.Record.CredentialID)
	it.bytes(attrPublicKey, p.Record.PublicKey)
	it.string(attrAlgorithm, p.Record.Algorithm)
	it.bytes(attrAAGUID, p.Record.AAGUID)
	it.string(attrTransports, strings.Join(p.Record.Transports, " "))
	it.int(attrSignCount, int64(p.Record.SignCount))
	it.int(attrFlags, int64(p.Record.Flags))
	it.string(attrSignedBy, p.SignedBy)
	it.time(attrCreatedAt, p.CreatedAt)
	it.time(attrLastUsedAt, p.LastUsedAt)
	it.int(attrEventSeq, p.EventSeq)
	return it
}

func decodePasskey(it item) (passkey.Passkey, error) {
	r := reader{it: it}
	return passkey.Passkey{ID: id.Credential(r.string(attrPK)), EmployeeID: id.Employee(r.string(attrEmployee)), Place: r.place(),
		Name: r.string(attrName), Record: passkey.Record{RPID: r.string(attrRPID), CredentialID: r.bytes(attrCredentialID),
			PublicKey: r.bytes(attrPublicKey), Algorithm: r.string(attrAlgorithm), AAGUID: r.bytes(attrAAGUID),
			Transports: words(r.string(attrTransports)), SignCount: uint32(r.int(attrSignCount)), Flags: byte(r.int(attrFlags))},
		SignedBy: r.string(attrSignedBy), CreatedAt: r.time(attrCreatedAt), LastUsedAt: r.time(attrLastUsedAt),
		EventSeq: r.int(attrEventSeq)}, r.err
}

func (b *builder) createPasskey(w passkey.Create) {
	p, table := w.Passkey, b.store.tables.Identity
	at := passkeyIDKey(p.Record.CredentialID)
	reserved := newItem(at, typePasskeyID)
	reserved.string(attrID, string(p.ID))
	b.put(create(table, passkeyKey(p.ID), encodePasskey(p), w, "the ID is taken"))
	b.put(create(table, at, reserved, w, "the passkey is registered already"))
}

func (b *builder) usePasskey(w passkey.Use) {
	a := action{table: b.store.tables.Identity, key: passkeyKey(w.Old.ID), write: w, reason: "the passkey is gone, or was used meanwhile"}
	e := &a.expr
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrSignCount, int64(w.Old.Record.SignCount)))
	e.require(e.isTime(attrLastUsedAt, w.Old.LastUsedAt))
	e.setInt(attrSignCount, int64(w.Record.SignCount))
	e.setInt(attrFlags, int64(w.Record.Flags))
	e.setTime(attrLastUsedAt, w.At)
	b.put(a)
}

func (b *builder) deletePasskey(w passkey.Delete) {
	table := b.store.tables.Identity
	a := action{table: table, key: passkeyKey(w.Old.ID), write: w, delete: true, reason: "the passkey is gone"}
	a.expr.require(a.expr.exists(attrPK))
	b.put(a)
	b.put(action{table: table, key: passkeyIDKey(w.Old.Record.CredentialID), write: w, delete: true})
}

// Passkey reads a passkey.
func (s *Store) Passkey(ctx context.Context, c id.Credential) (_ passkey.Passkey, err error) {
	defer wrap(&err, "Store.Passkey(%s)", c)
	return one(ctx, s, s.tables.Identity, passkeyKey(c), "credential", decodePasskey)
}

// Passkeys reads those that are there, in any order: one call for up to 100.
func (s *Store) Passkeys(ctx context.Context, ids []id.Credential) (_ []passkey.Passkey, err error) {
	defer wrap(&err, "Store.Passkeys(%d)", len(ids))
	return many(ctx, s, s.tables.Identity, unique(ids, passkeyKey), decodePasskey)
}

// PutChallenge puts a challenge whose ID is new: one update.
func (s *Store) PutChallenge(ctx context.Context, c passkey.Challenge) (err error) {
	defer wrap(&err, "Store.PutChallenge(%s)", c.ID)
	a := action{table: s.tables.Transient, key: challengeKey(c.ID), reason: "the ID is taken"}
	e := &a.expr
	e.require(e.missing(attrPK))
	e.set(attrType, stringValue(typeChallenge))
	e.set(attrPurpose, stringValue(string(c.Purpose)))
	e.setString(attrEmployee, string(c.EmployeeID))
	e.setString(attrCode, string(c.Code))
	e.set(attrKept, bytesValue(c.Kept))
	if c.Proof != nil {
		e.set(attrProof, bytesValue(c.Proof))
	}
	e.setTime(attrExpiresAt, c.ExpiresAt)
	e.set(attrTTL, intValue(c.ExpiresAt.Add(time.Hour).Unix()))
	return s.updateOnce(ctx, a)
}

// TakeChallenge uses a challenge up and returns it; change.ErrLost when it is not there, or used up. Of several at once one gets it.
// A lost answer is not asked for again: it is a fault of kind unavailable, and the challenge may be used up.
func (s *Store) TakeChallenge(ctx context.Context, c id.Challenge, now time.Time) (_ passkey.Challenge, err error) {
	defer wrap(&err, "Store.TakeChallenge(%s)", c)
	var e expression
	e.require(e.exists(attrPK))
	e.require(e.missing(attrUsedAt))
	e.setTime(attrUsedAt, now)
	taken, err := s.update(ctx, s.tables.Transient, challengeKey(c), &e, types.ReturnValueAllNew)
	if _, failed := failedCondition(err); failed {
		return passkey.Challenge{}, &change.Lost{Reason: "there is no such challenge, or it is used up"}
	}
	if err != nil {
		return passkey.Challenge{}, err
	}
	r := reader{it: taken}
	return passkey.Challenge{ID: c, Purpose: passkey.Purpose(r.string(attrPurpose)), EmployeeID: id.Employee(r.string(attrEmployee)),
		Code: id.Invitation(r.string(attrCode)), Kept: r.bytes(attrKept), Proof: r.bytes(attrProof), ExpiresAt: r.time(attrExpiresAt)}, r.err
}
