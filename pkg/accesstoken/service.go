package accesstoken

import (
	"context"
	"io"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
)

// Store is what the use cases of tokens read and write.
type Store interface {
	// Token reads one token, strongly; one that is not there is a fault of kind not_found.
	Token(ctx context.Context, t id.PAT) (Token, error)
	// Commit carries out a change or none of it: see change.Set.
	Commit(ctx context.Context, s change.Set) error
}

// Service is the use cases of personal access tokens.
type Service struct {
	Store Store
	Now   func() time.Time
	Rand  io.Reader
}

// RevokeHeld ends a token on the word of whoever holds its current secret. One that has ended stays as it is. Atomic: the
// token and the audit record.
func (s *Service) RevokeHeld(ctx context.Context, c call.Call, t id.PAT, generation int64, reason, note string) error {
	_, err := change.Retry(func() (struct{}, error) {
		old, err := s.Store.Token(ctx, t)
		if err != nil {
			return struct{}{}, err
		}
		if !old.RevokedAt.IsZero() || old.Generation != generation {
			return struct{}{}, nil
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		e := c.Event(id.New[id.Event](s.Rand), op, now)
		e.Action = "personal_access_token.self_revoked"
		e.Target = audit.Target{Type: "personal_access_token", ID: string(t), Name: old.Name}
		e.Place, e.Seq = old.Place, old.EventSeq+1
		e.Details = map[string]any{"key_id": string(t), "key_prefix": old.Prefix(), "reason": reason, "employee_id": string(old.EmployeeID)}
		if note != "" {
			e.Details["note"] = note
		}
		return struct{}{}, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{Revoke{Old: old, At: now}}})
	})
	return err
}
