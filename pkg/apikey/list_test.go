package apikey_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

// names reads a list to its end in pages, and returns the names and how many pages there were.
func names(t *testing.T, w *rekeytest.World, by token.Secret, at listing.Where, f apikey.Filter, limit int) ([]string, int) {
	t.Helper()
	out, pages := []string{}, 0
	for after := ""; ; pages++ {
		require.Less(t, pages, 1000, "a list that does not end")
		page, err := w.Keys.List(w.Ctx, w.With(by), at, f, after, limit)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Keys), limit)
		for _, v := range page.Keys {
			out = append(out, v.Key.Name)
		}
		if after = page.Next; after == "" {
			return out, pages + 1
		}
	}
}

// forest has a key at every place, named after it.
func forest(t *testing.T) (*rekeytest.World, map[string]apikey.Shown) {
	t.Helper()
	w := rekeytest.New(t)
	keys := map[string]apikey.Shown{}
	for name, at := range map[string]listing.Where{"root": {Node: w.Root.Node()}, "below": {Node: w.Below.Node()},
		"Company": {Company: w.Company.Company}, "sibling": {Node: w.Sibling.Node()}, "stranger": {Company: w.Stranger.Company}} {
		in := serviceaccount.New{Name: name, Node: at.Node, Company: at.Company}
		a, err := w.Accounts.Create(w.Ctx, w.As(w.Owner), in)
		require.NoError(t, err)
		keys[name] = w.Issue(a.Account.ID, name)
	}
	return w, keys
}

func TestList_APlaceIsItAndAllBelowItByName_D1(t *testing.T) {
	w, _ := forest(t)
	for _, c := range []struct {
		by   *rekeytest.Person
		at   listing.Where
		want []string
	}{
		{w.Owner, everywhere, []string{"below", "Company", "root", "sibling", "stranger"}},
		{w.Owner, listing.Where{Node: w.Root.Node(), Direct: true}, []string{"root"}},
		{w.Owner, listing.Where{Node: w.Below.Node()}, []string{"below", "Company"}},
		{w.Owner, listing.Where{Node: w.Below.Node(), Direct: true}, []string{"below"}},
		{w.Owner, listing.Where{Company: w.Company.Company}, []string{"Company"}},
		{w.BelowAdmin, everywhere, []string{"below", "Company"}},
		{w.CompanyAdmin, everywhere, []string{"Company"}},
		{w.Viewer, everywhere, []string{"below", "Company", "root", "sibling", "stranger"}},
	} {
		for _, limit := range []int{1, 2, 100} {
			got, _ := names(t, w, c.by.Secret, c.at, apikey.Filter{}, limit)
			require.Equal(t, c.want, got)
		}
	}
}

func TestList_APlaceThatIsNotTheCallersIsNotThere_D11(t *testing.T) {
	w, _ := forest(t)
	for _, foreign := range []listing.Where{{Node: w.Sibling.Node()}, {Node: w.Root.Node()}} {
		_, err := w.Keys.List(w.Ctx, w.As(w.BelowAdmin), foreign, apikey.Filter{}, "", 50)
		_, never := w.Keys.List(w.Ctx, w.As(w.BelowAdmin), listing.Where{Node: id.New[id.Node](w.Rand)}, apikey.Filter{}, "", 50)
		require.True(t, fault.Is(err, fault.NotFound), "%v", err)
		require.Equal(t, never, err)
	}
	_, err := w.Keys.List(w.Ctx, w.As(w.BelowAdmin), listing.Where{Company: w.Stranger.Company}, apikey.Filter{}, "", 50)
	_, never := w.Keys.List(w.Ctx, w.As(w.BelowAdmin), listing.Where{Company: id.New[id.Company](w.Rand)}, apikey.Filter{}, "", 50)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
	require.Equal(t, never, err)
	_, narrow := w.PAT(w.Owner, permission.Of(permission.AppsRead))
	_, err = w.Keys.List(w.Ctx, w.With(narrow), everywhere, apikey.Filter{}, "", 50)
	require.True(t, fault.Is(err, fault.MissingScope), "%v", err)
}

func TestList_FiltersNarrowIt_D1(t *testing.T) {
	w := rekeytest.New(t)
	a, b := w.Account("A", w.Company), w.Account("B", w.Below)
	active := w.Issue(a.ID, "Zoë active")
	expiring := w.IssueFor(a.ID, "expiring", 20*24*time.Hour)
	expired := w.IssueFor(a.ID, "expired", time.Hour)
	off, revoked := w.Issue(b.ID, "off"), w.Issue(b.ID, "revoked")
	require.NoError(t, actions["deactivate"].do(w, w.As(w.Owner), off.View.Key.ID))
	require.NoError(t, actions["revoke"].do(w, w.As(w.Owner), revoked.View.Key.ID))
	w.Clock.Set(expired.View.Key.ExpiresAt)
	w.Guess(active.Secret, rekeytest.Away, 10)
	for _, c := range []struct {
		f    apikey.Filter
		want []string
	}{
		{apikey.Filter{Status: apikey.Active}, []string{"Zoë active"}},
		{apikey.Filter{Status: apikey.Expiring}, []string{"expiring"}},
		{apikey.Filter{Status: apikey.Expired}, []string{"expired"}},
		{apikey.Filter{Status: apikey.Inactive}, []string{"off"}},
		{apikey.Filter{Status: apikey.Revoked}, []string{"revoked"}},
		{apikey.Filter{Locked: true}, []string{"expired", "expiring", "Zoë active"}},
		{apikey.Filter{Prefix: off.View.Key.Prefix()}, []string{"off"}},
		{apikey.Filter{OwnerType: "service_account"}, []string{"expired", "expiring", "off", "revoked", "Zoë active"}},
		{apikey.Filter{OwnerType: "gateway"}, []string{}},
		{apikey.Filter{Query: "EXP"}, []string{"expired", "expiring"}},
		{apikey.Filter{Query: "zoe\u0308"}, []string{"Zoë active"}},
		{apikey.Filter{Query: "no such name"}, []string{}},
		{apikey.Filter{Query: string(expiring.View.Key.ID)}, []string{"expiring"}},
		{apikey.Filter{Query: string(id.New[id.Key](w.Rand))}, []string{}},
	} {
		for _, limit := range []int{1, 2, 50} {
			got, _ := names(t, w, w.Owner.Secret, everywhere, c.f, limit)
			require.Equal(t, c.want, got, "%+v", c.f)
		}
	}
	got, _ := names(t, w, w.Owner.Secret, listing.Where{Company: w.Company.Company}, apikey.Filter{Query: string(off.View.Key.ID)}, 50)
	require.Empty(t, got, "an exact ID of another place")
	got, _ = names(t, w, w.BelowAdmin.Secret, listing.Where{Node: w.Below.Node(), Direct: true}, apikey.Filter{Query: string(expiring.View.Key.ID)}, 50)
	require.Empty(t, got)
}

func TestList_AFilteredPageReadsAtMost500AndGoesOn_D1(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	for i := range 620 {
		w.Issue(a.ID, fmt.Sprintf("k%04d", i))
	}
	last := w.Issue(a.ID, "the one")
	require.NoError(t, actions["deactivate"].do(w, w.As(w.Owner), last.View.Key.ID))
	page, err := w.Keys.List(w.Ctx, w.As(w.Owner), everywhere, apikey.Filter{Status: apikey.Inactive}, "", 10)
	require.NoError(t, err)
	require.Empty(t, page.Keys)
	require.NotEmpty(t, page.Next, "short, and there is more")
	got, pages := names(t, w, w.Owner.Secret, everywhere, apikey.Filter{Status: apikey.Inactive}, 10)
	require.Equal(t, []string{"the one"}, got)
	require.Equal(t, 2, pages)
}

func TestList_AMachineSeesItsOwnKeysOnly_S2(t *testing.T) {
	for _, r := range []id.Role{role.Integration, role.Automation} {
		w := rekeytest.New(t)
		a, other := w.AccountWith("Recorder", w.Company, r), w.AccountWith("Neighbour", w.Company, r)
		k := w.Issue(a.ID, "mine b")
		w.Advance(time.Second)
		w.Issue(a.ID, "mine a")
		foreign := w.Issue(other.ID, "theirs")
		for _, limit := range []int{1, 50} {
			got, _ := names(t, w, k.Secret, everywhere, apikey.Filter{}, limit)
			require.Equal(t, []string{"mine a", "mine b"}, got)
			got, _ = names(t, w, k.Secret, listing.Where{Company: w.Company.Company, Direct: true}, apikey.Filter{}, limit)
			require.Equal(t, []string{"mine a", "mine b"}, got)
			got, _ = names(t, w, k.Secret, everywhere, apikey.Filter{Query: "MINE B"}, limit)
			require.Equal(t, []string{"mine b"}, got)
			got, _ = names(t, w, k.Secret, everywhere, apikey.Filter{Query: "their"}, limit)
			require.Empty(t, got)
			got, _ = names(t, w, k.Secret, everywhere, apikey.Filter{Query: string(foreign.View.Key.ID)}, limit)
			require.Empty(t, got)
		}
		_, err := w.Keys.List(w.Ctx, w.With(k.Secret), listing.Where{Company: w.Stranger.Company}, apikey.Filter{}, "", 50)
		require.True(t, fault.Is(err, fault.NotFound), "%v", err)
		_, err = w.Keys.OfAccount(w.Ctx, w.With(k.Secret), other.ID, "", 50)
		require.True(t, fault.Is(err, fault.NotFound), "%v", err)
		_, err = w.Keys.Get(w.Ctx, w.With(k.Secret), foreign.View.Key.ID)
		require.True(t, fault.Is(err, fault.NotFound), "%v", err)
		_, err = w.Keys.Get(w.Ctx, w.With(k.Secret), k.View.Key.ID)
		require.NoError(t, err)
	}
}

func TestList_AMachineOfANodeAsksForAnotherNodeInVain_S2(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.AccountWith("Recorder", w.Root, role.Integration).ID, "mine")
	got, _ := names(t, w, k.Secret, listing.Where{Node: w.Below.Node()}, apikey.Filter{}, 50)
	require.Empty(t, got, "its own account is not there")
	got, _ = names(t, w, k.Secret, listing.Where{Node: w.Root.Node(), Direct: true}, apikey.Filter{}, 50)
	require.Equal(t, []string{"mine"}, got)
}

func TestOfAccount_NewestFirstEndedOnesIncluded_D1(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	var want []id.Key
	for i := range 7 {
		k := w.Issue(a.ID, "k")
		want = append([]id.Key{k.View.Key.ID}, want...)
		if i == 3 {
			w.RotateAll(a.ID)
			page, err := w.Keys.OfAccount(w.Ctx, w.As(w.Owner), a.ID, "", 1)
			require.NoError(t, err)
			newest := page.Keys[0].Key.ID
			if newest == want[0] { // of the same moment: by ID
				page, err = w.Keys.OfAccount(w.Ctx, w.As(w.Owner), a.ID, page.Next, 1)
				require.NoError(t, err)
				want = append([]id.Key{want[0], page.Keys[0].Key.ID}, want[1:]...)
			} else {
				want = append([]id.Key{newest}, want...)
			}
		}
		w.Advance(time.Second)
	}
	require.NoError(t, actions["revoke"].do(w, w.As(w.Owner), want[1]))
	for _, limit := range []int{1, 3, 100} {
		var got []id.Key
		for after := ""; ; {
			page, err := w.Keys.OfAccount(w.Ctx, w.As(w.Owner), a.ID, after, limit)
			require.NoError(t, err)
			for _, v := range page.Keys {
				got = append(got, v.Key.ID)
			}
			if after = page.Next; after == "" {
				break
			}
		}
		require.Equal(t, want, got)
	}
	_, err := w.Keys.OfAccount(w.Ctx, w.As(w.StrangerAdmin), a.ID, "", 10)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
}

func TestOfAccountByName_FiltersAndPages_D1(t *testing.T) {
	w := rekeytest.New(t)
	a, other := w.Account("Recorder", w.Company), w.Account("Other", w.Company)
	w.Issue(other.ID, "b of another")
	for _, name := range []string{"b", "C", "a", "b2"} {
		w.Issue(a.ID, name)
	}
	read := func(f apikey.Filter) []string {
		out := []string{}
		for after := ""; ; {
			page, err := w.Keys.OfAccountByName(w.Ctx, w.As(w.Owner), a.ID, f, after, 2)
			require.NoError(t, err)
			for _, v := range page.Keys {
				out = append(out, v.Key.Name)
			}
			if after = page.Next; after == "" {
				return out
			}
		}
	}
	require.Equal(t, []string{"a", "b", "b2", "C"}, read(apikey.Filter{}))
	require.Equal(t, []string{"b", "b2"}, read(apikey.Filter{Query: "B"}))
	require.Empty(t, read(apikey.Filter{Status: apikey.Revoked}))
	_, err := w.Keys.OfAccountByName(w.Ctx, w.As(w.StrangerAdmin), a.ID, apikey.Filter{}, "", 2)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
}

func TestLists_OfADeletedAccountHoldNothing_S4(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	k := w.Issue(a.ID, "k")
	require.NoError(t, actions["revoke"].do(w, w.As(w.Owner), k.View.Key.ID))
	require.NoError(t, w.Accounts.Delete(w.Ctx, w.As(w.Owner), a.ID))
	got, _ := names(t, w, w.Owner.Secret, everywhere, apikey.Filter{}, 50)
	require.Empty(t, got)
	_, err := w.Keys.Get(w.Ctx, w.As(w.Owner), k.View.Key.ID)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
	_, err = w.Keys.OfAccount(w.Ctx, w.As(w.Owner), a.ID, "", 10)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
	require.NotEmpty(t, w.Records(audit.KeyIssued), "its records stay")
}

func TestLastUsed_IsTheLatestOfAnyKeyOfTheAccountEndedOnesToo_D3(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	last, err := w.Keys.LastUsed(w.Ctx, a)
	require.NoError(t, err)
	require.Zero(t, last)
	var keys []apikey.Shown
	for range 120 {
		keys = append(keys, w.Issue(a.ID, "k"))
	}
	w.Allowed(keys[3].Secret, rekeytest.Home)
	w.Advance(time.Hour)
	w.Allowed(keys[0].Secret, rekeytest.Home)
	require.NoError(t, actions["revoke"].do(w, w.As(w.Owner), keys[0].View.Key.ID))
	last, err = w.Keys.LastUsed(w.Ctx, a)
	require.NoError(t, err)
	w.JustUsed(last)
	live, err := w.Keys.Live(w.Ctx, w.ReadAccount(a.ID), w.Now())
	require.NoError(t, err)
	require.Len(t, live, 119)
	require.NotContains(t, live, keys[0].View.Key.ID)
}

func TestList_ByTime_B9(t *testing.T) {
	w := rekeytest.New(t)
	a, b := w.Account("Recorder", w.Company), w.Account("Other", w.Stranger)
	ids := func(p *rekeytest.Person, f apikey.Filter) (out []id.Key) {
		t.Helper()
		for after := ""; ; {
			page, err := w.Keys.List(w.Ctx, w.As(p), everywhere, f, after, 1)
			require.NoError(t, err)
			for _, v := range page.Keys {
				out = append(out, v.Key.ID)
			}
			if after = page.Next; after == "" {
				return out
			}
		}
	}
	late, soon, elsewhere := w.IssueFor(a.ID, "a", 20*24*time.Hour), w.IssueFor(a.ID, "z", 10*24*time.Hour), w.IssueFor(b.ID, "m", 15*24*time.Hour)
	never, revoked := w.Issue(a.ID, "never"), w.IssueFor(a.ID, "revoked", time.Hour)
	_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), revoked.View.Key.ID, "", "")
	require.NoError(t, err)
	in := apikey.Filter{ExpiresBefore: w.Now().Add(30 * 24 * time.Hour)}
	require.Equal(t, []id.Key{soon.View.Key.ID, elsewhere.View.Key.ID, late.View.Key.ID}, ids(w.Owner, in), "soonest first, of all companies that one sees")
	require.Equal(t, []id.Key{soon.View.Key.ID, late.View.Key.ID}, ids(w.CompanyAdmin, in))
	require.Equal(t, []id.Key{soon.View.Key.ID}, ids(w.Owner, apikey.Filter{ExpiresBefore: soon.View.Key.ExpiresAt.Add(time.Second)}))
	require.Empty(t, ids(w.Owner, apikey.Filter{ExpiresBefore: soon.View.Key.ExpiresAt}))
	page, err := w.Keys.OfAccountByName(w.Ctx, w.As(w.Owner), a.ID, in, "", 10)
	require.NoError(t, err)
	require.Equal(t, soon.View.Key.ID, page.Keys[0].Key.ID)
	require.Len(t, page.Keys, 2)

	w.Advance(24 * time.Hour)
	w.Allowed(never.Secret, rekeytest.Home)
	since := w.Now().Add(-time.Hour)
	require.ElementsMatch(t, []id.Key{late.View.Key.ID, soon.View.Key.ID, elsewhere.View.Key.ID}, ids(w.Owner, apikey.Filter{UnusedSince: since}))
	require.Empty(t, ids(w.Owner, apikey.Filter{RetiredSeenSince: since}))
	w.Request(revoked.Secret, rekeytest.Away)
	require.Equal(t, []id.Key{revoked.View.Key.ID}, ids(w.Owner, apikey.Filter{RetiredSeenSince: since}))
	require.Empty(t, ids(w.Owner, apikey.Filter{RetiredSeenSince: w.Now().Add(time.Second)}))
}
