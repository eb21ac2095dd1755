package accesstoken_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
)

func TestRevokeHeld_EndsATokenOnceAndOnRecord_B7_S6(t *testing.T) {
	w := rekeytest.New(t)
	c := w.As(w.Viewer)
	c.Caller.Type, c.Caller.ID = audit.Holder, "holder"
	w.Advance(time.Hour)
	require.NoError(t, w.Tokens.RevokeHeld(w.Ctx, c, w.Viewer.Token.ID, 1, "key_compromise", "lost laptop"))
	held, err := w.Mem.Token(w.Ctx, w.Viewer.Token.ID)
	require.NoError(t, err)
	require.Equal(t, w.Now(), held.RevokedAt)
	w.Loses(w.Viewer.Secret)
	e := w.Record("personal_access_token.self_revoked")
	require.Equal(t, audit.Holder, e.Actor.Type)
	require.Equal(t, int64(2), e.Seq)
	require.Equal(t, "key_compromise", e.Details["reason"])
	require.Equal(t, w.Viewer.Token.Prefix(), e.Details["key_prefix"])
	require.Zero(t, w.Changed(func() {
		require.NoError(t, w.Tokens.RevokeHeld(w.Ctx, c, w.Viewer.Token.ID, 1, "", ""))
		require.NoError(t, w.Tokens.RevokeHeld(w.Ctx, c, w.Admin.Token.ID, 2, "", ""), "a generation that it does not have")
	}))
	w.Wins(w.Admin.Secret)
	require.True(t, fault.Is(w.Tokens.RevokeHeld(w.Ctx, c, id.New[id.PAT](w.Rand), 1, "", ""), fault.NotFound))
}

func TestRevokeHeld_TriesAnewWhenItLosesARace_B7(t *testing.T) {
	w := rekeytest.New(t)
	c := w.As(w.Viewer)
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			w.Allowed(w.Viewer.Secret, rekeytest.Home) // a first use takes the next number of the token's records
		}
	}
	require.NoError(t, w.Tokens.RevokeHeld(w.Ctx, c, w.Viewer.Token.ID, 1, "", ""))
	w.Loses(w.Viewer.Secret)
	require.Equal(t, int64(3), w.Record("personal_access_token.self_revoked").Seq)
}

// loser is a store on which every change loses.
type loser struct {
	accesstoken.Store
	calls int
}

func (l *loser) Commit(context.Context, change.Set) error {
	l.calls++
	return &change.Lost{Reason: "told to"}
}

func TestRevokeHeld_GivesUpWhenItGoesOnLosing_B7(t *testing.T) {
	w := rekeytest.New(t)
	s := &loser{Store: w.Mem}
	tokens := &accesstoken.Service{Store: s, Now: w.Clock.Now, Rand: w.Rand}
	err := tokens.RevokeHeld(w.Ctx, w.As(w.Viewer), w.Viewer.Token.ID, 1, "", "")
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.LessOrEqual(t, s.calls, 100)
	w.Wins(w.Viewer.Secret)
}

func TestPrefix_IsTheSecretsFirstEightCharacters_D8(t *testing.T) {
	w := rekeytest.New(t)
	require.Equal(t, w.Viewer.Secret.Reveal()[:8], w.Viewer.Token.Prefix())
}
