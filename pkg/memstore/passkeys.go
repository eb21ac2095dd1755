package memstore

import (
	"bytes"
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/passkey"
)

func (t *transaction) createPasskey(w passkey.Create) string {
	if _, ok := t.passkeys[w.Passkey.ID]; ok {
		return "the passkey exists"
	}
	for _, p := range t.passkeys {
		if bytes.Equal(p.Record.CredentialID, w.Passkey.Record.CredentialID) {
			return "the passkey is registered already"
		}
	}
	t.touch("passkey " + string(w.Passkey.ID))
	t.then(func() { t.passkeys[w.Passkey.ID] = w.Passkey })
	return ""
}

func (t *transaction) usePasskey(w passkey.Use) string {
	p, ok := t.passkeys[w.Old.ID]
	if !ok || p.Record.SignCount != w.Old.Record.SignCount || !p.LastUsedAt.Equal(w.Old.LastUsedAt) {
		return "the passkey is gone, or was used meanwhile"
	}
	t.touch("passkey " + string(p.ID))
	t.then(func() {
		p.Record.SignCount, p.Record.Flags, p.LastUsedAt = w.Record.SignCount, w.Record.Flags, w.At
		t.passkeys[p.ID] = p
	})
	return ""
}

func (t *transaction) deletePasskey(w passkey.Delete) string {
	if _, ok := t.passkeys[w.Old.ID]; !ok {
		return "the passkey is gone"
	}
	t.touch("passkey " + string(w.Old.ID))
	t.then(func() { delete(t.passkeys, w.Old.ID) })
	return ""
}

// Passkey returns a passkey.
func (s *Store) Passkey(ctx context.Context, c id.Credential) (passkey.Passkey, error) {
	return one(ctx, s, s.passkeys, c, "credential")
}

// Passkeys returns those that are there.
func (s *Store) Passkeys(ctx context.Context, ids []id.Credential) ([]passkey.Passkey, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []passkey.Passkey
	for _, c := range ids {
		if p, ok := s.passkeys[c]; ok {
			out = append(out, p)
		}
	}
	return out, nil
}

// PutChallenge puts a challenge whose ID is new.
func (s *Store) PutChallenge(ctx context.Context, c passkey.Challenge) error {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if _, ok := s.challenges[c.ID]; ok {
		return &change.Lost{Reason: "the ID is taken"}
	}
	s.challenges[c.ID] = c
	return nil
}

// TakeChallenge takes a challenge away and returns it.
func (s *Store) TakeChallenge(ctx context.Context, c id.Challenge, _ time.Time) (passkey.Challenge, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return passkey.Challenge{}, err
	}
	found, ok := s.challenges[c]
	if !ok {
		return passkey.Challenge{}, &change.Lost{Reason: "there is no such challenge, or it is used up"}
	}
	delete(s.challenges, c)
	return found, nil
}
