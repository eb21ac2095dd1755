package storetest

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/passkey"
)

func (w *world) newPasskey() passkey.Passkey {
	return passkey.Passkey{ID: newID[id.Credential](), EmployeeID: newID[id.Employee](), Place: w.root, Name: "Laptop",
		Record: passkey.Record{RPID: "keys.example.org", CredentialID: newMAC(), PublicKey: []byte{1, 2, 3}, Algorithm: "ES256",
			AAGUID: make([]byte, 16), Transports: []string{"internal", "hybrid"}, SignCount: 3, Flags: 0x45},
		SignedBy: string(newID[id.Credential]()), CreatedAt: w.now, EventSeq: 1}
}

func (w *world) passkeyMade(p passkey.Passkey) change.Set {
	return w.set(w.happened("credential", string(p.ID), 1), passkey.Create{Passkey: p})
}

func (w *world) passkeyUsed(p passkey.Passkey, count uint32) change.Set {
	r := p.Record
	r.SignCount = count
	return w.set(w.happened("session", string(newID[id.Session]()), 1), passkey.Use{Old: p, Record: r, At: w.now.Add(time.Minute)})
}

func (w *world) passkeyRemoved(p passkey.Passkey) change.Set {
	return w.set(w.happened("employee", string(p.EmployeeID), 1), passkey.Delete{Old: p})
}

var passkeyTests = []test{
	{"a passkey reads as it was written; its ID, and the one that its authenticator gave it, are taken once", func(w *world) {
		p := w.newPasskey()
		w.commit(w.passkeyMade(p))
		got, err := w.store.Passkey(w.ctx, p.ID)
		w.NoError(err)
		w.same(p, got)
		w.lost(w.passkeyMade(p), passkey.Create{})
		theirs := w.newPasskey()
		theirs.Record.CredentialID = p.Record.CredentialID
		w.lost(w.passkeyMade(theirs), passkey.Create{})
		_, err = w.store.Passkey(w.ctx, theirs.ID)
		w.notFound(err)
		all, err := w.store.Passkeys(w.ctx, []id.Credential{p.ID, theirs.ID})
		w.NoError(err)
		w.Len(all, 1)
	}},
	{"a passkey's counter moves from what was read, and of two sign-ins at once one", func(w *world) {
		p := w.newPasskey()
		w.commit(w.passkeyMade(p))
		w.oneWon(together(8, func(int) error { return w.store.Commit(w.ctx, w.passkeyUsed(p, 4)) }))
		got, err := w.store.Passkey(w.ctx, p.ID)
		w.NoError(err)
		w.Equal(uint32(4), got.Record.SignCount)
		w.Equal(w.now.Add(time.Minute), got.LastUsedAt)
		w.lost(w.passkeyUsed(p, 5), passkey.Use{})
	}},
	{"a passkey that is removed can be registered again, and is used no more", func(w *world) {
		p := w.newPasskey()
		w.commit(w.passkeyMade(p))
		w.commit(w.passkeyRemoved(p))
		_, err := w.store.Passkey(w.ctx, p.ID)
		w.notFound(err)
		w.lost(w.passkeyRemoved(p), passkey.Delete{})
		w.lost(w.passkeyUsed(p, 4), passkey.Use{})
		again := w.newPasskey()
		again.Record.CredentialID = p.Record.CredentialID
		w.commit(w.passkeyMade(again))
	}},
	{"a challenge is put once and taken once, also by many at once", func(w *world) {
		for _, c := range []passkey.Challenge{
			{ID: newID[id.Challenge](), Purpose: passkey.Enrol, EmployeeID: newID[id.Employee](), Code: newID[id.Invitation](), Kept: []byte("{}"),
				Proof: []byte("[]"), ExpiresAt: w.now.Add(passkey.ChallengeFor)},
			{ID: newID[id.Challenge](), Purpose: passkey.SignIn, Kept: []byte("{}"), ExpiresAt: w.now.Add(passkey.ChallengeFor)},
		} {
			w.NoError(w.store.PutChallenge(w.ctx, c))
			w.ErrorIs(w.store.PutChallenge(w.ctx, c), change.ErrLost)
			got := make([]passkey.Challenge, 8)
			winner := w.oneWon(together(len(got), func(i int) (err error) {
				got[i], err = w.store.TakeChallenge(w.ctx, c.ID, w.now)
				return err
			}))
			w.same(c, got[winner])
		}
		_, err := w.store.TakeChallenge(w.ctx, newID[id.Challenge](), w.now)
		w.ErrorIs(err, change.ErrLost)
	}},
}
