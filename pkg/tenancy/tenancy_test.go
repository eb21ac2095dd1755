package tenancy_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/tenancy"
)

var grace = company.Owner{FirstName: "Grace", LastName: "Hopper", Email: "grace@example.com"}

func create(w *rekeytest.World, name, packageID string) place.Place {
	w.T.Helper()
	c, err := w.Companies.Create(w.Ctx, w.As(w.Owner), tenancy.New{Node: w.Below.Node(), Name: name, PackageID: packageID, Owner: grace})
	require.NoError(w.T, err)
	return c.Place
}

func suspend(w *rekeytest.World, at place.Place) error {
	_, err := w.Companies.Suspend(w.Ctx, w.As(w.Owner), at.Company, "")
	return err
}

func remove(w *rekeytest.World, at place.Place) error {
	return w.Companies.Delete(w.Ctx, w.As(w.Owner), at.Company)
}

func issue(w *rekeytest.World, account id.ServiceAccount) error {
	shown, err := w.Keys.Issue(w.Ctx, w.As(w.Owner), account, apikey.Issue{Name: "k"})
	w.Note(shown.Secret)
	return err
}

func account(w *rekeytest.World, at place.Place) (id.ServiceAccount, error) {
	v, err := w.Accounts.Create(w.Ctx, w.As(w.Owner), serviceaccount.New{Name: "Recorder", Company: at.Company})
	return v.Account.ID, err
}

// before does something between what a call has read and what it commits, once.
func before(w *rekeytest.World, meanwhile func()) {
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			meanwhile()
		}
	}
}

func TestSuspend_BeforeAKeyIsCommittedThereIsNone_W5(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	before(w, func() { require.NoError(t, suspend(w, w.Company)) })
	require.True(t, fault.Is(issue(w, a.ID), fault.CompanySuspended))
	require.Zero(t, w.ReadAccount(a.ID).KeyCount)
	_, err := w.Companies.Resume(w.Ctx, w.As(w.Owner), w.Company.Company, "")
	require.NoError(t, err)

	k := w.Issue(a.ID, "k")
	before(w, func() { require.NoError(t, suspend(w, w.Company)) })
	_, err = w.Rotations.Rotate(w.Ctx, w.As(w.Owner), k.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	require.True(t, fault.Is(err, fault.CompanySuspended), "%v", err)
	require.Equal(t, 1, w.ReadAccount(a.ID).KeyCount)
	_, err = w.Keys.Rotate(w.Ctx, w.As(w.Owner), a.ID, apikey.Rotate{})
	require.NoError(t, err, "a suspended company's key may have a new secret, which opens nothing")
}

func TestSuspend_AfterAKeyStopsIt_W5(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	var k apikey.Shown
	before(w, func() { k = w.Issue(a.ID, "k") })
	require.NoError(t, suspend(w, w.Company))
	w.Loses(k.Secret)
}

func TestSuspend_RotatingAllKeysWaitsForItsEnd_W5_W8(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("Recorder", w.Company)
	w.Issue(a.ID, "k")
	w.Issue(a.ID, "l")
	before(w, func() { require.NoError(t, suspend(w, w.Company)) })
	_, err := w.Keys.Rotate(w.Ctx, w.As(w.Owner), a.ID, apikey.Rotate{All: true})
	require.True(t, fault.Is(err, fault.CompanySuspended), "%v", err)
	require.Equal(t, 2, w.ReadAccount(a.ID).KeyCount, "nothing changed")
}

func TestSuspendAndDelete_BeforeAnAccountIsCommittedThereIsNone_W5(t *testing.T) {
	for kind, end := range map[fault.Kind]func(*rekeytest.World, place.Place) error{fault.CompanySuspended: suspend, fault.NotFound: remove} {
		w := rekeytest.New(t)
		at := create(w, "Initech", "large")
		before(w, func() { require.NoError(t, end(w, at)) })
		_, err := account(w, at)
		require.True(t, fault.Is(err, kind), "%v", err)
	}
}

func TestDelete_AnAccountThatIsMadeMeanwhileIsInTheWay_W5(t *testing.T) {
	w := rekeytest.New(t)
	at := create(w, "Initech", "large")
	var a id.ServiceAccount
	before(w, func() {
		var err error
		a, err = account(w, at)
		require.NoError(t, err)
	})
	err := remove(w, at)
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, []fault.Blocker{{Type: "service_account", Count: 1, IDs: []string{string(a)}}}, f.BlockedBy)
}

// A revoked account never becomes active again, but another may take its place: the number of accounts alone says nothing.
func TestDelete_AnAccountInThePlaceOfARevokedOneIsInTheWay_W5(t *testing.T) {
	w := rekeytest.New(t)
	at := create(w, "Initech", "large")
	old := w.Account("Old", at)
	_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), old.ID, "")
	require.NoError(t, err)
	before(w, func() {
		require.NoError(t, w.Accounts.Delete(w.Ctx, w.As(w.Owner), old.ID))
		_, err := account(w, at)
		require.NoError(t, err)
	})
	require.True(t, fault.Is(remove(w, at), fault.InUse))
}

func TestCompany_OfChangesAtTheSameMomentEachFollowsTheOther_W5(t *testing.T) {
	for round := range 10 {
		w := rekeytest.New(t)
		at := create(w, "Initech", "large")
		other := create(w, "Hooli", "large")
		a := w.Account("Recorder", at)
		var all sync.WaitGroup
		errs := map[string]error{}
		var mu sync.Mutex
		for what, do := range map[string]func() error{
			"suspend": func() error { return suspend(w, at) },
			"resume": func() error {
				_, err := w.Companies.Resume(w.Ctx, w.As(w.Owner), at.Company, "")
				return err
			},
			"issue": func() error { return issue(w, a.ID) },
			"revoke": func() error {
				_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), a.ID, "")
				return err
			},
			"delete": func() error { return remove(w, at) },
			"create": func() error { _, err := account(w, other); return err },
			"close":  func() error { return remove(w, other) },
		} {
			all.Go(func() {
				err := do()
				mu.Lock()
				errs[what] = err
				mu.Unlock()
			})
		}
		all.Wait()
		for what, err := range errs {
			require.False(t, err != nil && fault.Is(err, fault.Internal) || fault.Is(err, fault.Unavailable), "round %d: %s: %v", round, what, err)
		}
		require.True(t, errs["revoke"] == nil, "%v", errs["revoke"])
		require.NotEqual(t, errs["create"] == nil, errs["close"] == nil, "an account of nothing, or two losers: %v", errs)
		if errs["delete"] == nil {
			require.Zero(t, w.ReadAccount(a.ID).KeyCount)
			_, err := w.Mem.Company(w.Ctx, at.Company)
			require.True(t, fault.Is(err, fault.NotFound))
		}
	}
}

func TestIssue_OfManyAtOnceACompanyGetsWhatItsPackageAllows_W4(t *testing.T) {
	w := rekeytest.New(t)
	at := create(w, "Initech", "tiny")
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		a := w.Account(fmt.Sprint("Account ", i), at)
		all.Go(func() { errs[i] = issue(w, a.ID) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.True(t, fault.Is(err, fault.LimitReached), "%v", err)
	}
	require.Equal(t, 2, won)
}

// What is counted while keys are issued and revoked never lets one in too many, and never keeps one out for good.
func TestIssue_CountsAnewWhenKeysHaveEnded_W4(t *testing.T) {
	w := rekeytest.New(t)
	at := create(w, "Initech", "tiny")
	a := w.Account("Recorder", at)
	for range 10 {
		k := w.Issue(a.ID, "k")
		l := w.Issue(a.ID, "l")
		require.True(t, fault.Is(issue(w, a.ID), fault.LimitReached))
		_, err := w.Keys.Revoke(w.Ctx, w.As(w.Owner), k.View.Key.ID, "", "")
		require.NoError(t, err)
		_, err = w.Keys.Revoke(w.Ctx, w.As(w.Owner), l.View.Key.ID, "", "")
		require.NoError(t, err)
	}
	// The room that was counted is taken by another before the key is committed.
	one := w.Issue(a.ID, "one")
	before(w, func() { w.Issue(a.ID, "another") })
	require.True(t, fault.Is(issue(w, a.ID), fault.LimitReached))
	w.Wins(one.Secret)
	calls := w.Calls(func() { require.Error(t, issue(w, a.ID)) })
	require.Contains(t, calls, "Accounts")
	require.NotContains(t, w.Calls(func() { w.Issue(w.Account("Unlimited", w.Company).ID, "k") }), "Contents", "what is not limited is not counted")
}

func TestCompanies_AFaultAtAnyCallOfTheStoreEndsInOneEffect_W5(t *testing.T) {
	do := map[string]func(*rekeytest.World) error{
		"create": func(w *rekeytest.World) error {
			_, err := w.Companies.Create(w.Ctx, w.As(w.Owner), tenancy.New{Node: w.Below.Node(), Name: "Initech", PackageID: "tiny", Owner: grace})
			return err
		},
		"suspend": func(w *rekeytest.World) error { return suspend(w, w.Company) },
		"delete":  func(w *rekeytest.World) error { return remove(w, w.Company) },
	}
	for what, f := range do {
		w := rekeytest.New(t)
		calls := w.Calls(func() { require.NoError(t, f(w)) })
		for n := range calls {
			for _, mode := range memstore.Modes {
				w := rekeytest.New(t)
				w.Store.Fail(n+1, mode)
				err := f(w)
				require.True(t, fault.Is(err, fault.Unavailable), "%s: %s failed %s: %v", what, calls[n], mode, err)
				w.Store.Settle()
				err = f(w)
				happened := calls[n] == "Commit" && mode != memstore.Instead
				switch {
				case what == "create" && happened:
					require.True(t, fault.Is(err, fault.Conflict), "%v", err)
				case what == "delete" && happened:
					require.True(t, fault.Is(err, fault.NotFound), "%v", err)
				default:
					require.NoError(t, err)
				}
			}
		}
	}
}

func TestDelete_ErasesWhoOwnedTheAccount_W5(t *testing.T) {
	w := rekeytest.New(t)
	at := create(w, "Initech", "tiny")
	got, err := w.Companies.Get(w.Ctx, w.As(w.Owner), at.Company)
	require.NoError(t, err)
	require.Equal(t, grace, got.Owner)
	require.NoError(t, remove(w, at))
	gone := got.Tombstone()
	require.Equal(t, company.Company{ID: got.ID, Name: "Initech", Place: at, PackageID: "tiny", Status: company.Deleted, SessionEpoch: 1, CreatedBy: got.CreatedBy, CreatedByName: got.CreatedByName,
		CreatedAt: got.CreatedAt, UpdatedAt: got.UpdatedAt, Version: 1, EventSeq: 1}, gone)
	for _, e := range w.Mem.Events() {
		require.NotContains(t, fmt.Sprint(e.Details), "grace@example.com", "the audit log does not hold it")
	}
	require.Equal(t, audit.OK, w.Record(audit.CompanyDeleted).Outcome)
}
