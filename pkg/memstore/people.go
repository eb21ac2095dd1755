package memstore

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/id"
)

func (t *transaction) createToken(w accesstoken.Create) string {
	if _, ok := t.tokens[w.Token.ID]; ok {
		return "the token exists"
	}
	t.touch("token " + string(w.Token.ID))
	kept := copyToken(w.Token)
	t.then(func() { t.tokens[kept.ID] = heldToken{Token: kept} })
	return ""
}

func (t *transaction) revokeToken(w accesstoken.Revoke) string {
	old, ok := t.tokens[w.Old.ID]
	if !ok || old.Version != w.Old.Version || old.EventSeq != w.Old.EventSeq {
		return "the token has changed"
	}
	t.touch("token " + string(old.ID))
	t.then(func() {
		old.RevokedAt = w.At
		old.Version++
		old.EventSeq++
		t.tokens[old.ID] = old
	})
	return ""
}

func (t *transaction) noteToken(w accesstoken.Note) string {
	old, ok := t.tokens[w.Old.ID]
	if !ok || old.Version != w.Old.Version || old.EventSeq != w.Old.EventSeq {
		return "the token has changed"
	}
	t.touch("token " + string(old.ID))
	t.then(func() {
		old.EventSeq++
		t.tokens[old.ID] = old
	})
	return ""
}

// Token returns a personal access token.
func (s *Store) Token(ctx context.Context, t id.PAT) (accesstoken.Token, error) {
	held, err := one(ctx, s, s.tokens, t, "personal access token")
	return copyToken(held.Token), err
}

// Tokens returns those that are there.
func (s *Store) Tokens(ctx context.Context, ids []id.PAT) ([]accesstoken.Token, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []accesstoken.Token
	for _, t := range ids {
		if held, ok := s.tokens[t]; ok {
			out = append(out, copyToken(held.Token))
		}
	}
	return out, nil
}
