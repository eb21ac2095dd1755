package serviceaccount_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

var everywhere listing.Where

// names reads a list to its end in pages, and returns the names and how many pages there were.
func names(t *testing.T, w *rekeytest.World, by token.Secret, at listing.Where, f serviceaccount.Filter, limit int) ([]string, int) {
	t.Helper()
	out, pages := []string{}, 0
	for after := ""; ; pages++ {
		require.Less(t, pages, 1000, "a list that does not end")
		page, err := w.Accounts.List(w.Ctx, w.With(by), at, f, after, limit)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Accounts), limit)
		for _, v := range page.Accounts {
			out = append(out, v.Account.Name)
		}
		if after = page.Next; after == "" {
			return out, pages + 1
		}
	}
}

func TestList_ANodeIsItAndAllBelowItByName_W7(t *testing.T) {
	w := rekeytest.New(t)
	w.Account("root", w.Root)
	w.Account("below", w.Below)
	w.Account("Company", w.Company)
	w.Account("sibling", w.Sibling)
	w.Account("stranger", w.Stranger)
	for _, c := range []struct {
		by   *rekeytest.Person
		at   listing.Where
		want []string
	}{
		{w.Owner, everywhere, []string{"below", "Company", "root", "sibling", "stranger"}},
		{w.Owner, listing.Where{Node: w.Root.Node(), Direct: true}, []string{"root"}},
		{w.Owner, listing.Where{Node: w.Below.Node()}, []string{"below", "Company"}},
		{w.Viewer, listing.Where{Company: w.Stranger.Company}, []string{"stranger"}},
		{w.BelowAdmin, everywhere, []string{"below", "Company"}},
		{w.StrangerAdmin, everywhere, []string{"stranger"}},
	} {
		for _, limit := range []int{1, 3, 100} {
			got, _ := names(t, w, c.by.Secret, c.at, serviceaccount.Filter{}, limit)
			require.Equal(t, c.want, got)
		}
	}
	_, err := w.Accounts.List(w.Ctx, w.As(w.BelowAdmin), listing.Where{Company: w.Stranger.Company}, serviceaccount.Filter{}, "", 50)
	_, never := w.Accounts.List(w.Ctx, w.As(w.BelowAdmin), listing.Where{Company: id.New[id.Company](w.Rand)}, serviceaccount.Filter{}, "", 50)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
	require.Equal(t, never, err)
	_, narrow := w.PAT(w.Owner, permission.Of(permission.KeysRead))
	_, err = w.Accounts.List(w.Ctx, w.With(narrow), everywhere, serviceaccount.Filter{}, "", 50)
	require.True(t, fault.Is(err, fault.MissingScope), "%v", err)
}

func TestList_FiltersNarrowIt_W7_I2(t *testing.T) {
	w := rekeytest.New(t)
	zoe := w.Account("Zoë", w.Company)
	locked := w.Account("locked", w.Company)
	revoked := w.Account("revoked", w.Company)
	deleted := w.Account("deleted", w.Company)
	tagged, err := w.Accounts.Create(w.Ctx, w.As(w.Owner), serviceaccount.New{Name: "tagged", Node: w.Below.Node(), ExternalID: "4711", Tags: []string{"a", "b"}})
	require.NoError(t, err)
	w.Guess(w.Issue(locked.ID, "k").Secret, rekeytest.Away, 10)
	_, err = w.Accounts.Revoke(w.Ctx, w.As(w.Owner), revoked.ID, "")
	require.NoError(t, err)
	require.NoError(t, w.Accounts.Delete(w.Ctx, w.As(w.Owner), deleted.ID))
	for _, c := range []struct {
		f    serviceaccount.Filter
		want []string
	}{
		{serviceaccount.Filter{}, []string{"locked", "revoked", "tagged", "Zoë"}},
		{serviceaccount.Filter{Status: serviceaccount.Active}, []string{"locked", "tagged", "Zoë"}},
		{serviceaccount.Filter{Status: serviceaccount.Revoked}, []string{"revoked"}},
		{serviceaccount.Filter{Locked: true}, []string{"locked"}},
		{serviceaccount.Filter{Tag: "b"}, []string{"tagged"}},
		{serviceaccount.Filter{Tag: "c"}, []string{}},
		{serviceaccount.Filter{ExternalID: "4711"}, []string{"tagged"}},
		{serviceaccount.Filter{Query: "ZOE\u0308"}, []string{"Zoë"}},
		{serviceaccount.Filter{Query: "re"}, []string{"revoked"}},
		{serviceaccount.Filter{Query: "oë"}, []string{}},
		{serviceaccount.Filter{Query: string(zoe.ID)}, []string{"Zoë"}},
		{serviceaccount.Filter{Query: string(deleted.ID)}, []string{}},
		{serviceaccount.Filter{Query: string(id.New[id.ServiceAccount](w.Rand))}, []string{}},
	} {
		for _, limit := range []int{1, 2, 50} {
			got, _ := names(t, w, w.Owner.Secret, everywhere, c.f, limit)
			require.Equal(t, c.want, got, "%+v", c.f)
		}
	}
	got, _ := names(t, w, w.Owner.Secret, listing.Where{Node: w.Sibling.Node()}, serviceaccount.Filter{Query: string(zoe.ID)}, 50)
	require.Empty(t, got, "an exact ID of another place")
	got, _ = names(t, w, w.Owner.Secret, listing.Where{Node: w.Root.Node(), Direct: true}, serviceaccount.Filter{Query: string(tagged.Account.ID)}, 50)
	require.Empty(t, got)
	w.Advance(30 * time.Minute)
	got, _ = names(t, w, w.Owner.Secret, everywhere, serviceaccount.Filter{Locked: true}, 50)
	require.Empty(t, got, "the lock is over")
}

func TestList_AFilteredPageReadsAtMost500AndGoesOn_W7(t *testing.T) {
	w := rekeytest.New(t)
	for i := range 520 {
		w.Account(fmt.Sprintf("a%04d", i), w.Company)
	}
	last := w.Account("the one", w.Company)
	_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), last.ID, "")
	require.NoError(t, err)
	page, err := w.Accounts.List(w.Ctx, w.As(w.Owner), everywhere, serviceaccount.Filter{Status: serviceaccount.Revoked}, "", 10)
	require.NoError(t, err)
	require.Empty(t, page.Accounts)
	require.NotEmpty(t, page.Next, "short, and there is more")
	got, pages := names(t, w, w.Owner.Secret, everywhere, serviceaccount.Filter{Status: serviceaccount.Revoked}, 10)
	require.Equal(t, []string{"the one"}, got)
	require.Equal(t, 2, pages)
}

func TestList_AMachineSeesItsOwnAccountOnly_S2(t *testing.T) {
	w := rekeytest.New(t)
	a, other := w.AccountWith("mine", w.Company, role.Integration), w.AccountWith("theirs", w.Company, role.Integration)
	k := w.Issue(a.ID, "k")
	for _, at := range []listing.Where{everywhere, {Company: w.Company.Company}} {
		got, _ := names(t, w, k.Secret, at, serviceaccount.Filter{}, 50)
		require.Equal(t, []string{"mine"}, got)
	}
	got, _ := names(t, w, k.Secret, everywhere, serviceaccount.Filter{Status: serviceaccount.Revoked}, 50)
	require.Empty(t, got)
	_, err := w.Accounts.Get(w.Ctx, w.With(k.Secret), a.ID)
	require.NoError(t, err)
	_, err = w.Accounts.Get(w.Ctx, w.With(k.Secret), other.ID)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
	_, err = w.Accounts.List(w.Ctx, w.With(k.Secret), listing.Where{Company: w.Stranger.Company}, serviceaccount.Filter{}, "", 50)
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
}

func TestList_SaysWhenAnyKeyWasLastUsed_D3(t *testing.T) {
	w := rekeytest.New(t)
	used, unused := w.Account("used", w.Company), w.Account("unused", w.Company)
	w.Issue(unused.ID, "k")
	w.Allowed(w.Issue(used.ID, "k").Secret, rekeytest.Home)
	page, err := w.Accounts.List(w.Ctx, w.As(w.Owner), everywhere, serviceaccount.Filter{}, "", 50)
	require.NoError(t, err)
	require.Zero(t, page.Accounts[0].LastUsedAt)
	w.JustUsed(page.Accounts[1].LastUsedAt)
}

func TestReads_AStoreThatFailsIsUnavailableAndNeverAnAbsence_P4(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	w.Guess(w.Issue(a.ID, "k").Secret, rekeytest.Away, 10)
	reads := map[string]func() error{
		"get": func() error { _, err := w.Accounts.Get(w.Ctx, w.As(w.Owner), a.ID); return err },
		"list": func() error {
			_, err := w.Accounts.List(w.Ctx, w.As(w.Owner), listing.Where{Node: w.Below.Node()}, serviceaccount.Filter{}, "", 50)
			return err
		},
		"by ID": func() error {
			_, err := w.Accounts.List(w.Ctx, w.As(w.Owner), everywhere, serviceaccount.Filter{Query: string(a.ID)}, "", 50)
			return err
		},
		"keys": func() error { _, err := w.Keys.OfAccount(w.Ctx, w.As(w.Owner), a.ID, "", 50); return err },
	}
	for name, read := range reads {
		calls := w.Calls(func() { require.NoError(t, read()) })
		for n := range calls {
			w.Store.Reset()
			w.Store.Fail(n+1, 3)
			require.True(t, fault.Is(read(), fault.Unavailable), "%s: %s", name, calls[n])
		}
	}
}
