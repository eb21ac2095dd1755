package apikey_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

// issued is a key that was issued by a call that can be repeated.
type issued struct {
	*rekeytest.World
	account id.ServiceAccount
	answer  rekeytest.Answer
	key     id.Key
}

func issueOnce(t *testing.T) *issued {
	t.Helper()
	w := rekeytest.New(t)
	i := &issued{World: w, account: w.Account("Recorder", w.Company).ID}
	i.answer = i.repeat(t)
	require.False(t, i.answer.Repeated)
	tok, ok := token.Parse(i.answer.Secret.Reveal())
	require.True(t, ok)
	i.key = id.FromBody[id.Key](tok.Public)
	return i
}

func (i *issued) repeat(t *testing.T) rekeytest.Answer {
	t.Helper()
	out, err := i.by(i.As(i.Owner))
	require.NoError(t, err)
	return out
}

func (i *issued) by(c call.Call) (rekeytest.Answer, error) {
	return i.Post(c, "/keys", "K", "payload", issueUse(i.World, i.account, apikey.Issue{Name: "k"}))
}

func (i *issued) withheld(t *testing.T) {
	t.Helper()
	before := len(i.Records(audit.SecretRepeated))
	out := i.repeat(t)
	require.True(t, out.Repeated)
	require.True(t, out.Withheld)
	require.True(t, out.Secret.IsZero())
	require.True(t, out.Body == i.answer.Body, "the rest of the answer stays")
	require.Len(t, i.Records(audit.SecretRepeated), before)
}

func TestRepeat_GivesTheSameSecretForAnHourAndEachTimeIsOnRecord_B6(t *testing.T) {
	i := issueOnce(t)
	for n, after := range []time.Duration{0, time.Minute, idempotency.SecretFor - time.Minute - time.Millisecond} {
		i.Advance(after)
		out := i.repeat(t)
		require.True(t, out.Repeated)
		require.Equal(t, i.answer.Secret.Reveal(), out.Secret.Reveal())
		require.True(t, i.answer.Body == out.Body)
		require.Len(t, i.Records(audit.SecretRepeated), n+1)
	}
	e := i.Records(audit.SecretRepeated)[0]
	require.Equal(t, int64(2), e.Seq)
	require.Equal(t, string(i.key), e.Target.ID)
	require.Equal(t, string(i.Owner.Employee.ID), e.Actor.ID)
	i.Advance(time.Millisecond)
	i.withheld(t)
	require.Len(t, i.Records(audit.KeyIssued), 1)
	i.Wins(i.answer.Secret)
}

func TestRepeat_EndsWithTheSecretsFirstUse_B6(t *testing.T) {
	i := issueOnce(t)
	i.Wins(i.answer.Secret) // looked at, not used
	require.Equal(t, i.answer.Secret.Reveal(), i.repeat(t).Secret.Reveal())
	i.Allowed(i.answer.Secret, rekeytest.Home)
	i.withheld(t)
}

func TestRepeat_NeverGivesASecretThatIsNoLongerTheCurrentOne_B6(t *testing.T) {
	for name, end := range map[string]func(i *issued){
		"regenerated": func(i *issued) { i.Regenerate(i.key) },
		"revoked":     func(i *issued) { require.NoError(i.T, actions["revoke"].do(i.World, i.As(i.Owner), i.key)) },
		"rotated": func(i *issued) {
			i.Issue(i.account, "second")
			i.RotateAll(i.account)
		},
		"account revoked": func(i *issued) {
			_, err := i.Accounts.Revoke(i.Ctx, i.As(i.Owner), i.account, "")
			require.NoError(i.T, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := issueOnce(t)
			end(i)
			i.withheld(t)
		})
	}
}

func TestRepeat_OfAnEarlierRegenerateDoesNotBringItsSecretBack_B6(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k").View.Key.ID
	post := func(key string) rekeytest.Answer {
		out, err := w.Post(w.As(w.Owner), "/regenerate", key, "", regenerateUse(w, k))
		require.NoError(t, err)
		return out
	}
	one, two := post("one"), post("two")
	require.NotEqual(t, one.Secret.Reveal(), two.Secret.Reveal())
	again := post("one")
	require.True(t, again.Repeated && again.Withheld)
	require.Equal(t, two.Secret.Reveal(), post("two").Secret.Reveal())
	w.Allowed(two.Secret, rekeytest.Home)
	three := post("three")
	require.Equal(t, three.Secret.Reveal(), post("three").Secret.Reveal(), "the use of another generation is no use of this one")
}

func TestRepeat_IsOneCallersAndOneTargets_B6(t *testing.T) {
	i := issueOnce(t)
	other, err := i.by(i.As(i.Admin))
	require.NoError(t, err)
	require.False(t, other.Repeated)
	require.NotEqual(t, i.answer.Secret.Reveal(), other.Secret.Reveal())
	elsewhere, err := i.Post(i.As(i.Owner), "/other/keys", "K", "payload",
		issueUse(i.World, i.Account("Other", i.Company).ID, apikey.Issue{Name: "k"}))
	require.NoError(t, err)
	require.False(t, elsewhere.Repeated)
	require.NotEqual(t, i.answer.Secret.Reveal(), elsewhere.Secret.Reveal())
	require.Len(t, i.Records(audit.KeyIssued), 3)
}

func TestRepeat_IsAuthorizedAnew_B6_D11(t *testing.T) {
	r := "role_Custom00000000000000"
	w := rekeytest.New(t)
	w.CustomRole(id.Role(r), permission.All.List()...)
	clerk := w.Hire("Clerk", w.Root, id.Role(r))
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k").View.Key.ID
	uses := map[string]rekeytest.Use{"/issue": issueUse(w, a.ID, apikey.Issue{Name: "k"}), "/regenerate": regenerateUse(w, k),
		"/rotate": rotateUse(w, w.Issue(w.Account("Other", w.Company).ID, "k").View.Account.ID, apikey.Rotate{})}
	for path, use := range uses {
		_, err := w.Post(w.As(clerk), path, "K", "", use)
		require.NoError(t, err)
	}
	shows := permission.Of(permission.KeysIssue, permission.ServiceAccountsRotate)
	for _, lost := range []struct {
		role []permission.Permission
		kind fault.Kind
	}{{permission.All.Without(shows).List(), fault.MissingPermission},
		{shows.Or(permission.Of(permission.KeysRead)).List(), fault.NotGrantable}} {
		w.CustomRole(id.Role(r), lost.role...)
		for path, use := range uses {
			out, err := w.Post(w.As(clerk), path, "K", "", use)
			require.True(t, fault.Is(err, lost.kind), "%s: %v", path, err)
			require.True(t, out.Secret.IsZero())
		}
	}
	_, narrow := w.PAT(w.Owner, shows)
	for path, use := range uses {
		_, err := w.Post(w.As(w.Owner), path, "K", "", use)
		require.NoError(t, err)
		out, err := w.Post(w.With(narrow), path, "K", "", use)
		require.True(t, fault.Is(err, fault.NotGrantable), "another token of the same employee, %s: %v", path, err)
		require.True(t, out.Secret.IsZero())
	}
	require.Empty(t, w.Records(audit.SecretRepeated))
}

func TestRepeat_AfterADayIsANewCallWithANewSecret_B6(t *testing.T) {
	i := issueOnce(t)
	i.Advance(idempotency.KeptFor - time.Millisecond)
	i.withheld(t)
	i.Advance(time.Millisecond)
	out := i.repeat(t)
	require.False(t, out.Repeated)
	require.NotEqual(t, i.answer.Secret.Reveal(), out.Secret.Reveal())
	require.Len(t, i.Records(audit.KeyIssued), 2)
	require.Equal(t, out.Secret.Reveal(), i.repeat(t).Secret.Reveal())
}

func TestRepeat_OutlivesARotationOfThePeppersAndOfTheDerivationKey_B6(t *testing.T) {
	i := issueOnce(t)
	i.Peppers.Rotate()
	i.Derivation.Rotate()
	require.Equal(t, i.answer.Secret.Reveal(), i.repeat(t).Secret.Reveal())
	i.Derivation.Remove("v1")
	i.withheld(t)
}

func TestRepeat_IsUnavailableWhileAKeyIsUnreachable_B6(t *testing.T) {
	i := issueOnce(t)
	c := i.As(i.Owner)
	for _, ring := range []*rekeytest.Ring{i.Peppers, i.Derivation} {
		ring.Break(true)
		out, err := i.by(c)
		require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
		require.True(t, out.Secret.IsZero())
		ring.Break(false)
	}
	require.Equal(t, i.answer.Secret.Reveal(), i.repeat(t).Secret.Reveal())
}

func TestRepeat_LosesToAUseThatComesBetween_B6(t *testing.T) {
	i := issueOnce(t)
	i.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			i.Store.Hook = nil
			i.Allowed(i.answer.Secret, rekeytest.Home)
		}
	}
	i.withheld(t)
}

func TestRepeat_AnActionThatChangedNothingIsAnsweredTheSameToo_B6(t *testing.T) {
	w := rekeytest.New(t)
	k := idle(w).View.Key.ID
	off := func(c call.Call) (any, token.Secret, error) {
		v, err := w.Keys.Deactivate(w.Ctx, c, k)
		return v, token.Secret{}, err
	}
	first, err := w.Post(w.As(w.Owner), "/deactivate", "K", "p", off)
	require.NoError(t, err)
	require.NoError(t, actions["activate"].do(w, w.As(w.Owner), k))
	second, err := w.Post(w.As(w.Owner), "/deactivate", "K", "p", off)
	require.NoError(t, err)
	require.True(t, second.Repeated && first.Body == second.Body)
	_, err = w.Post(w.As(w.Owner), "/deactivate", "K", "q", off)
	require.True(t, fault.Is(err, fault.IdempotencyMismatch), "%v", err)
}

func TestRepeat_OfAnotherDeploymentsRecordGivesNothing_B6(t *testing.T) {
	w := rekeytest.New(t)
	for _, r := range []idempotency.Record{{}, {CreatedAt: w.Now(), Secret: &idempotency.DerivedSecret{Kind: token.ServiceAccountKey,
		Public: id.Body(id.New[id.Key](w.Rand)), Generation: 1, Salt: make([]byte, 32), KeyVersion: "v1"}}} {
		s, err := w.Keys.Repeat(w.Ctx, w.As(w.Owner), r)
		require.NoError(t, err)
		require.True(t, s.IsZero())
	}
}
