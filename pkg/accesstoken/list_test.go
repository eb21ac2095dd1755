package accesstoken_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
)

// list goes through a list in pages of one and returns the tokens' IDs.
func list(w *rekeytest.World, c call.Call, f accesstoken.Filter) (out []id.PAT) {
	w.T.Helper()
	for after := ""; ; {
		tokens, next, err := w.Tokens.List(w.Ctx, c, f, after, 1)
		require.NoError(w.T, err)
		for _, one := range tokens {
			out = append(out, one.ID)
		}
		if after = next; after == "" {
			return out
		}
	}
}

func TestList_ShowsOnesOwnByName_F4(t *testing.T) {
	w := rekeytest.New(t)
	zulu, alpha := create(w, w.As(w.Viewer), accesstoken.New{Name: "zulu"}).Token, create(w, w.As(w.Viewer), accesstoken.New{Name: "Alpha"}).Token
	all := []id.PAT{alpha.ID, w.Viewer.Token.ID, zulu.ID}
	c := w.As(w.Viewer)
	require.Equal(t, all, list(w, c, accesstoken.Filter{}))
	require.Equal(t, all, list(w, c, accesstoken.Filter{Employee: w.Viewer.Employee.ID}))
	require.Equal(t, all[:1], list(w, c, accesstoken.Filter{Query: "ALP"}))
	require.Equal(t, all[2:], list(w, c, accesstoken.Filter{Query: string(zulu.ID)}))
	require.Empty(t, list(w, c, accesstoken.Filter{Query: string(w.Admin.Token.ID)}))
	require.NoError(t, w.Tokens.Revoke(w.Ctx, c, zulu.ID))
	require.Equal(t, all[2:], list(w, c, accesstoken.Filter{Status: accesstoken.Revoked}))
	require.Equal(t, all[:2], list(w, c, accesstoken.Filter{Status: accesstoken.Active}))
	w.Advance(91 * 24 * time.Hour)
	require.Equal(t, all[:1], list(w, w.As(w.Viewer), accesstoken.Filter{Status: accesstoken.Expired}))
}

func TestList_OfOthersWantsEmployeesUpdateAndIsOfTheCallersPlace_F4(t *testing.T) {
	w := rekeytest.New(t)
	below := []id.PAT{w.BelowAdmin.Token.ID, w.CompanyAdmin.Token.ID}
	require.ElementsMatch(t, below, list(w, w.As(w.BelowAdmin), accesstoken.Filter{}))
	require.Equal(t, below[1:], list(w, w.As(w.BelowAdmin), accesstoken.Filter{Employee: w.CompanyAdmin.Employee.ID}))
	require.Contains(t, list(w, w.As(w.Admin), accesstoken.Filter{}), w.Owner.Token.ID, "the token of set-up is listed")
	require.Equal(t, []id.PAT{w.Owner.Token.ID}, list(w, w.As(w.Owner), accesstoken.Filter{Employee: w.Owner.Employee.ID}))
	require.Len(t, list(w, w.As(w.Owner), accesstoken.Filter{}), 8)

	narrow := create(w, w.As(w.Admin), accesstoken.New{Name: "narrow", Scopes: rekeytest.Of(permission.KeysRead)})
	require.ElementsMatch(t, []id.PAT{w.Admin.Token.ID, narrow.Token.ID}, list(w, w.With(narrow.Secret), accesstoken.Filter{}))
	for what, c := range map[string]struct {
		call call.Call
		of   id.Employee
	}{
		"a viewer":             {w.As(w.Viewer), w.Admin.Employee.ID},
		"a narrow token":       {w.With(narrow.Secret), w.Viewer.Employee.ID},
		"an admin elsewhere":   {w.As(w.SiblingAdmin), w.BelowAdmin.Employee.ID},
		"an admin below":       {w.As(w.BelowAdmin), w.Owner.Employee.ID},
		"nobody's list at all": {w.As(w.Owner), id.New[id.Employee](w.Rand)},
	} {
		_, _, err := w.Tokens.List(w.Ctx, c.call, accesstoken.Filter{Employee: c.of}, "", 10)
		want := fault.NotFound
		if what == "a narrow token" { // of a role that has the permission
			want = fault.MissingScope
		}
		require.True(t, fault.Is(err, want), "%s: %v", what, err)
	}
	k := w.Issue(w.AccountWith("Recorder", w.Root, role.Automation).ID, "k")
	require.Empty(t, list(w, w.With(k.Secret), accesstoken.Filter{}))
}

func TestGet_OthersTokensAreNotThereForWhoDoesNotLookAfterThem_F4(t *testing.T) {
	w := rekeytest.New(t)
	for who, may := range map[*rekeytest.Person]bool{w.Owner: true, w.Admin: true, w.BelowAdmin: true, w.CompanyAdmin: false,
		w.Operator: false, w.Viewer: false, w.SiblingAdmin: false, w.StrangerAdmin: false} {
		_, err := w.Tokens.Get(w.Ctx, w.As(who), w.CompanyAdmin.Token.ID)
		require.Equal(t, may, err == nil, "%s: %v", who.Employee.FirstName, err)
		if !may {
			require.True(t, fault.Is(err, fault.NotFound))
			require.True(t, fault.Is(w.Tokens.Revoke(w.Ctx, w.As(who), w.CompanyAdmin.Token.ID), fault.NotFound))
		}
	}
	_, err := w.Tokens.Get(w.Ctx, w.As(w.Viewer), w.Viewer.Token.ID)
	require.NoError(t, err)
	k := w.Issue(w.AccountWith("Recorder", w.Root, role.Automation).ID, "k")
	_, err = w.Tokens.Get(w.Ctx, w.With(k.Secret), w.Viewer.Token.ID)
	require.True(t, fault.Is(err, fault.NotFound))
	w.Wins(w.CompanyAdmin.Secret)
}

func TestRevoke_AServiceAccountWithEmployeesUpdateLooksAfterTheTokensBelowIt_F4(t *testing.T) {
	w := rekeytest.New(t)
	custom := id.New[id.Role](w.Rand)
	w.CustomRole(custom, permission.EmployeesUpdate)
	k := w.IssueWith(w.AccountWith("Offboarding", w.Below, custom).ID, apikey.Issue{Name: "k"})
	c := w.With(k.Secret)
	peer := w.Hire("Peer", w.Below, custom)
	require.ElementsMatch(t, []id.PAT{w.BelowAdmin.Token.ID, w.CompanyAdmin.Token.ID, peer.Token.ID}, list(w, c, accesstoken.Filter{}))
	require.NoError(t, w.Tokens.Revoke(w.Ctx, c, peer.Token.ID))
	w.Loses(peer.Secret)
	require.True(t, fault.Is(w.Tokens.Revoke(w.Ctx, c, w.CompanyAdmin.Token.ID), fault.NotGrantable), "it holds less than an admin")
	w.Wins(w.CompanyAdmin.Secret)
	require.True(t, slices.ContainsFunc(w.Records(audit.TokenRevoked), func(e audit.Event) bool { return e.Outcome == audit.Denied }))
	require.True(t, fault.Is(w.Tokens.Revoke(w.Ctx, c, w.Owner.Token.ID), fault.NotFound))
}

func TestRevoke_AnAdminEndsNoOwnersToken_S6(t *testing.T) {
	w := rekeytest.New(t)
	require.True(t, fault.Is(w.Tokens.Revoke(w.Ctx, w.As(w.Admin), w.Owner.Token.ID), fault.NotGrantable))
	w.Wins(w.Owner.Secret)
	second := w.Hire("Second", w.Root, role.Owner)
	require.NoError(t, w.Tokens.Revoke(w.Ctx, w.As(second), w.Owner.Token.ID))
	w.Loses(w.Owner.Secret)
}

func TestRevoke_EndsATokenAtTheNextRequestOnceAndOnRecord_S6(t *testing.T) {
	w := rekeytest.New(t)
	mine, none := create(w, w.As(w.Viewer), accesstoken.New{Name: "old laptop"}), create(w, w.As(w.Viewer), accesstoken.New{Name: "none", Scopes: &[]string{}})
	w.Allowed(mine.Secret, rekeytest.Home)
	c := w.As(w.Viewer)
	require.True(t, fault.Is(w.Tokens.Revoke(w.Ctx, rekeytest.IfMatch(c, "other"), mine.Token.ID), fault.PreconditionFailed))
	require.NoError(t, w.Tokens.Revoke(w.Ctx, c, mine.Token.ID))
	w.Loses(mine.Secret)
	e := w.Record(audit.TokenRevoked)
	require.Equal(t, string(mine.Token.ID), e.Target.ID)
	require.Equal(t, string(w.Viewer.Employee.ID), e.Actor.ID)
	require.Equal(t, string(w.Viewer.Token.ID), e.Actor.KeyID)
	require.Zero(t, w.Changed(func() { require.NoError(t, w.Tokens.Revoke(w.Ctx, c, mine.Token.ID), "again") }))

	narrow := w.With(none.Secret)
	require.True(t, fault.Is(w.Tokens.Revoke(w.Ctx, narrow, w.Viewer.Token.ID), fault.NotGrantable), "a token with less than the role is not its owner")
	require.NoError(t, w.Tokens.Revoke(w.Ctx, narrow, none.Token.ID), "but it ends itself")
	w.Loses(none.Secret)
	w.Wins(w.Viewer.Secret)

	require.NoError(t, w.Tokens.Revoke(w.Ctx, w.As(w.Admin), w.Viewer.Token.ID), "that of an employee at the admin's place")
	w.Loses(w.Viewer.Secret)
	require.True(t, fault.Is(w.Tokens.Revoke(w.Ctx, w.As(w.Admin), id.New[id.PAT](w.Rand)), fault.NotFound))
}

func TestRevoke_TriesAnewWhenItLosesARace_S6(t *testing.T) {
	w := rekeytest.New(t)
	c := w.As(w.Admin)
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			w.Allowed(w.Viewer.Secret, rekeytest.Home) // a first use takes the next number of the token's records
		}
	}
	require.NoError(t, w.Tokens.Revoke(w.Ctx, c, w.Viewer.Token.ID))
	w.Loses(w.Viewer.Secret)
	require.Equal(t, int64(3), w.Record(audit.TokenRevoked).Seq)
}

// A recovery ends every token of the owner: the list says what their next request meets.
func TestList_TokensThatARecoveryEndedAreRevoked_W9_F4(t *testing.T) {
	w := rekeytest.New(t)
	out, err := w.Setup.Recover(w.Ctx, "owner@example.com", "aws-req-1")
	require.NoError(t, err)
	w.Note(out.Secret)
	w.Loses(w.Owner.Secret)
	c := w.With(out.Secret)
	of := func(status accesstoken.Status) []id.PAT {
		return list(w, c, accesstoken.Filter{Employee: w.Owner.Employee.ID, Status: status})
	}
	require.Equal(t, []id.PAT{out.Token.ID}, of(accesstoken.Active))
	require.Equal(t, []id.PAT{w.Owner.Token.ID}, of(accesstoken.Revoked))
	shown, err := w.Tokens.Get(w.Ctx, c, w.Owner.Token.ID)
	require.NoError(t, err)
	require.Equal(t, accesstoken.Revoked, shown.Now)
	require.Zero(t, shown.RevokedAt)
}
