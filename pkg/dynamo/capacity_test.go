package dynamo_test

import (
	"crypto/rand"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/session"
	"github.com/rekey-dev/rekey/pkg/tenancy"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// metered makes a tenant where the endpoint counts units as DynamoDB does.
func metered(t *testing.T) *tenant {
	t.Helper()
	d := deploy(t)
	if os.Getenv("REKEY_DYNAMODB_KIND") != "dynoxide" {
		if os.Getenv("CI") == "true" {
			t.Fatal("REKEY_DYNAMODB_KIND is not dynoxide: no capacity was measured")
		}
		t.Skip("REKEY_DYNAMODB_KIND is not dynoxide: this endpoint's units mean nothing, so no capacity was measured")
	}
	return d.tenant(t)
}

func TestSnapshot_OfAKeyIsOneCallOfThreeUnitsWhateverTheAccountHolds_P4(t *testing.T) {
	t.Parallel()
	w := metered(t)
	for _, keys := range []int{1, 1_000} {
		w.issueMany(keys - 1)
		w.meter.take()
		s, err := w.Snapshot(t.Context(), string(w.key.ID), w.names())
		require.NoError(t, err)
		require.NotNil(t, s.Credential)
		require.NotNil(t, s.Principal)
		require.False(t, s.Suspended)
		b := w.meter.take()
		require.Equal(t, []string{"BatchGetItem"}, b.calls, "%d keys", keys)
		require.LessOrEqual(t, b.reads, 3.0, "%d keys", keys)
		require.Zero(t, b.writes)
	}
}

func TestSnapshot_WithACustomRoleIsOneCallOfFourUnits_P4(t *testing.T) {
	t.Parallel()
	w := metered(t)
	custom, set := newRole("custom", w.root, permission.All)
	require.NoError(t, w.Commit(t.Context(), set))
	names := w.names()
	names.Role = custom.ID
	w.meter.take()
	s, err := w.Snapshot(t.Context(), string(w.key.ID), names)
	require.NoError(t, err)
	require.NotNil(t, s.Role)
	require.Equal(t, custom.Permissions, s.Role.Permissions)
	b := w.meter.take()
	require.Equal(t, []string{"BatchGetItem"}, b.calls)
	require.LessOrEqual(t, b.reads, 4.0)
}

func TestSnapshot_WithTheRegistrationOfAnotherAPIIsOneCallAndOneUnitMore_P4_B12(t *testing.T) {
	t.Parallel()
	w := metered(t)
	slug := strings.ToLower(id.Body(draw[id.ProtectedAPI]())[:10])
	a := protectedapi.API{ID: draw[id.ProtectedAPI](), Name: "Recordings", Slug: "s" + slug, Place: w.root, GatewayID: slug, Stage: "prod",
		Mode: protectedapi.Enforce, CreatedAt: now, UpdatedAt: now, Version: 1, EventSeq: 1}
	for i := range 40 { // as much as there is room for
		a.Scopes = append(a.Scopes, protectedapi.Scope{Name: permission.Permission(fmt.Sprintf("s%s:word-%02d", slug, i)), Kind: permission.Execute})
		a.Routes = append(a.Routes, protectedapi.Route{Method: "GET", Path: fmt.Sprintf("/recordings/{id}/parts/%05d", i), Scope: a.Scopes[i].Name})
	}
	require.NoError(t, w.Commit(t.Context(), setOf(record("protected_api", string(a.ID), 1, w.root), protectedapi.Create{API: a})))
	names := w.names()
	names.Guard = a.GatewayID + "/" + a.Stage
	w.meter.take()
	s, err := w.Snapshot(t.Context(), string(w.key.ID), names)
	require.NoError(t, err)
	require.Equal(t, a.Guard(), *s.Guard)
	b := w.meter.take()
	require.Equal(t, []string{"BatchGetItem"}, b.calls)
	require.LessOrEqual(t, b.reads, 4.0)
}

func TestSnapshot_OfAColdEnvironmentIsTwoCallsAndTheSameUnits(t *testing.T) {
	t.Parallel()
	w := metered(t)
	c, err := w.Credential(t.Context(), string(w.key.ID))
	require.NoError(t, err)
	_, err = w.Snapshot(t.Context(), "", c.Names)
	require.NoError(t, err)
	b := w.meter.take()
	require.Equal(t, []string{"BatchGetItem", "BatchGetItem"}, b.calls)
	require.LessOrEqual(t, b.reads, 3.0)
}

func TestSnapshot_OfATokenIsAtMostThreeUnits(t *testing.T) {
	t.Parallel()
	w := metered(t)
	c, err := w.Credential(t.Context(), string(w.token.ID))
	require.NoError(t, err)
	_, err = w.Snapshot(t.Context(), "", c.Names)
	require.NoError(t, err)
	require.LessOrEqual(t, w.meter.take().reads, 3.0)
	_, err = w.Snapshot(t.Context(), string(w.token.ID), c.Names)
	require.NoError(t, err)
	b := w.meter.take()
	require.Len(t, b.calls, 1)
	require.LessOrEqual(t, b.reads, 3.0)
}

func TestSnapshot_OfASessionInsideACompanyIsOneCallOfFiveUnits_W6(t *testing.T) {
	t.Parallel()
	w := metered(t)
	custom, set := newRole("custom", w.root, permission.All)
	require.NoError(t, w.Commit(t.Context(), set))
	s := session.Session{ID: draw[id.Session](), EmployeeID: w.token.EmployeeID, Place: w.account.Place, Parent: string(w.token.ID), Scopes: permission.Assumed,
		Reason: strings.Repeat("x", 500), MAC: make([]byte, 32), PepperVersion: "v1", UserAgent: strings.Repeat("x", 200), CreatedAt: w.token.CreatedAt,
		ExpiresAt: w.token.ExpiresAt, EventSeq: 1}
	require.NoError(t, w.Commit(t.Context(), setOf(record("session", string(s.ID), 1, s.Place), session.Create{Session: s})))
	w.meter.take()
	c, err := w.Credential(t.Context(), string(s.ID))
	require.NoError(t, err)
	require.NotEmpty(t, c.Names.Company)
	require.LessOrEqual(t, w.meter.take().reads, 1.0)
	names := c.Names
	names.Role = custom.ID
	got, err := w.Snapshot(t.Context(), string(s.ID), names)
	require.NoError(t, err)
	require.NotNil(t, got.Parent)
	require.NotNil(t, got.Role)
	b := w.meter.take()
	require.Equal(t, []string{"BatchGetItem"}, b.calls)
	require.LessOrEqual(t, b.reads, 5.0)
}

func TestCredential_OfAnUnknownIDIsOneCall(t *testing.T) {
	t.Parallel()
	w := metered(t)
	c, err := w.Credential(t.Context(), string(draw[id.Key]()))
	require.NoError(t, err)
	require.Nil(t, c)
	require.Len(t, w.meter.take().calls, 1)
}

func TestSource_WhileLockedIsOneMoreUnit_B2(t *testing.T) {
	t.Parallel()
	w := metered(t)
	_, err := w.Source(t.Context(), string(w.account.ID), "192.0.2.7")
	require.NoError(t, err)
	b := w.meter.take()
	require.Equal(t, []string{"GetItem"}, b.calls)
	require.LessOrEqual(t, b.reads, 1.0)
}

// The first use of a minute writes the credential's item once: ceil(item/1 KiB) units, 1 for a typical one; the source, once a
// day, one more. A new source is one transaction: 2 units a KiB of the credential, of the source, of the audit record and of
// one row of it at each place above.
func TestUse_CostsOneUnitAMinuteAndOneMoreADay_D3(t *testing.T) {
	t.Parallel()
	w := metered(t)
	c, err := w.Credential(t.Context(), string(w.key.ID))
	require.NoError(t, err)
	owner, address := string(w.account.ID), "192.0.2.7"

	first := record("key", c.ID, 2, c.Place)
	w.meter.take()
	require.NoError(t, w.Use(t.Context(), verify.Use{Credential: c, Owner: owner, At: now, Address: address, UserAgent: "curl/8", Event: &first}))
	b := w.meter.take()
	require.Equal(t, []string{"TransactWriteItems"}, b.calls)
	require.Equal(t, 2.0*float64(1+1+recordUnits(t, w, first)+len(c.Place.Ancestors())), b.writes)

	src, err := w.Source(t.Context(), owner, address)
	require.NoError(t, err)
	w.meter.take()
	require.NoError(t, w.Use(t.Context(), verify.Use{Credential: c, Owner: owner, At: now.Add(time.Minute), Address: address, Source: src}))
	b = w.meter.take()
	require.Equal(t, []string{"UpdateItem"}, b.calls)
	require.Equal(t, 1.0, b.writes)

	require.NoError(t, w.Use(t.Context(), verify.Use{Credential: c, Owner: owner, At: now.Add(24 * time.Hour), Address: address, Source: src}))
	b = w.meter.take()
	require.Equal(t, []string{"UpdateItem", "UpdateItem"}, b.calls)
	require.Equal(t, 2.0, b.writes)
}

// recordUnits is the size of an audit record in KiB, rounded up.
func recordUnits(t *testing.T, w *tenant, e audit.Event) int {
	t.Helper()
	return int(math.Ceil(float64(itemSize(t, w, w.tables.Audit, string(e.ID), "event")) / 1024))
}

func TestCount_IsAtMostTwoUpdates_I2(t *testing.T) {
	t.Parallel()
	w := metered(t)
	f := verify.Failure{Owner: string(w.account.ID), KeyID: string(w.key.ID), At: now, Policy: lock.Default}
	for i, calls := range []int{2, 1, 1} {
		c, err := w.Count(t.Context(), f)
		require.NoError(t, err)
		require.Equal(t, i+1, c.Failures)
		b := w.meter.take()
		require.Len(t, b.calls, calls)
		require.LessOrEqual(t, b.writes, float64(calls)) // a failed condition costs a unit, too; its answer does not say so
	}
}

func TestRevokeAndRotateAll_OfAThousandKeysIsOneTransactionEach_S4(t *testing.T) {
	t.Parallel()
	w := metered(t)
	w.issueMany(999)
	a, err := w.Account(t.Context(), w.account.ID)
	require.NoError(t, err)
	require.Equal(t, 1_000, a.KeyCount)
	live, err := w.LiveKeys(t.Context(), a, now)
	require.NoError(t, err)
	require.Len(t, live, 1_000)

	// Rotate all: the epoch moves, one key is new.
	w.meter.take()
	k := w.newKey("the new one")
	k.IssueEpoch = a.IssueEpoch + 1
	n := a
	n.EventSeq++
	rotated := setOf(record("service_account", string(a.ID), n.EventSeq, a.Place),
		serviceaccount.Update{Old: a, New: &n, SameKeys: true, KeysChanged: true, KeyCount: 1, EndKeys: &serviceaccount.Ended{At: now, By: "emp_1", Reason: apikey.ReasonSuperseded}},
		apikey.Create{Key: k})
	w.commit(rotated)
	b := w.meter.take()
	require.Equal(t, []string{"TransactWriteItems"}, b.calls)
	t.Logf("rotate-all of 1,000 keys: %v write units", b.writes)
	a, err = w.Account(t.Context(), w.account.ID)
	require.NoError(t, err)
	live, err = w.LiveKeys(t.Context(), a, now)
	require.NoError(t, err)
	require.Len(t, live, 1)

	// Revoke: the status moves.
	w.meter.take()
	n = a
	n.Status, n.Version, n.EventSeq = serviceaccount.Revoked, a.Version+1, a.EventSeq+1
	w.commit(setOf(record("service_account", string(a.ID), n.EventSeq, a.Place),
		serviceaccount.Update{Old: a, New: &n, KeysChanged: true, EndKeys: &serviceaccount.Ended{At: now, By: "emp_1", Reason: apikey.ReasonCessation}}))
	b = w.meter.take()
	require.Equal(t, []string{"TransactWriteItems"}, b.calls)
	t.Logf("revoke of an account: %v write units", b.writes)
	s, err := w.Snapshot(t.Context(), string(k.ID), w.names())
	require.NoError(t, err)
	require.False(t, s.Principal.Active)
}

// A row of usage is under 1 KiB, one write unit; where another environment was later the failed condition (a unit at AWS, none
// in dynoxide's answer) and a second update.
func TestTally_IsOneUnitARow_B4(t *testing.T) {
	t.Parallel()
	w := metered(t)
	longest := usage.Row{Key: w.key.ID, Hour: usage.HourOf(now), Source: "2001:db8:1234:5678::/64", UserAgent: strings.Repeat("a", 200), API: "a1b2c3d4e5",
		Method: "OPTIONS", Route: "/" + strings.Repeat("r", 199), Verdict: usage.Suspended, Count: 1e9, FirstAt: now, LastAt: now.Add(time.Hour)}
	for range 2 {
		w.meter.take()
		require.NoError(t, w.Tally(t.Context(), longest))
		b := w.meter.take()
		require.Equal(t, []string{"UpdateItem"}, b.calls)
		require.Equal(t, 1.0, b.writes)
	}
	late := longest
	late.LastAt = now
	require.NoError(t, w.Tally(t.Context(), late))
	require.Equal(t, []string{"UpdateItem", "UpdateItem"}, w.meter.take().calls)
	rows, _, err := w.Usage(t.Context(), w.key.ID, longest.Hour, now.Add(time.Hour), "", 10)
	require.NoError(t, err)
	require.EqualValues(t, 3e9, rows[0].Count)
	b := w.meter.take()
	require.Equal(t, []string{"Query"}, b.calls)
	require.Equal(t, 1.0, b.reads)
}

// Pages of a list cost a query and a read each, whatever the number of companies; what else a page costs is the place that was
// asked for.
func TestCompanies_ThreeHundredUnderOneNodeAreAsManyQueriesAsPages_W5(t *testing.T) {
	t.Parallel()
	w := metered(t)
	middle := w.root.Child(draw[id.Node]())
	leaf := middle.Child(draw[id.Node]())
	for _, p := range []struct{ at, under place.Place }{{middle, w.root}, {leaf, middle}} {
		w.commit(setOf(record("node", p.at.ID(), 1, p.at), node.Create{Node: node.Node{ID: p.at.Node(), ParentID: p.under.Node(), Name: p.at.ID(), Place: p.at,
			CreatedAt: now, UpdatedAt: now, Version: 1, EventSeq: 1}}))
	}
	for i := range 300 {
		at := place.Place{Path: leaf.Path, Company: draw[id.Company]()}
		w.commit(setOf(record("company", string(at.Company), 1, at), company.Create{Company: company.Company{ID: at.Company, Name: fmt.Sprintf("Company %03d", i),
			Place: at, PackageID: "business", Status: company.Active, Owner: company.Owner{FirstName: "Grace", LastName: "Hopper", Email: "grace@example.com"},
			CreatedAt: now, UpdatedAt: now, Version: 1, EventSeq: 1}}))
	}
	companies := &tenancy.Service{Store: w.Store, Now: func() time.Time { return now }, Rand: rand.Reader}
	c := call.Call{Caller: authz.Caller{Type: audit.Employee, Place: w.root, Role: permission.All, Effective: permission.All}}
	for _, where := range []listing.Where{{Node: middle.Node()}, {Node: leaf.Node(), Direct: true}} {
		w.meter.take()
		seen, pages := 0, 0
		for after := ""; pages == 0 || after != ""; pages++ {
			found, next, err := companies.List(t.Context(), c, where, tenancy.Filter{}, after, 50)
			require.NoError(t, err)
			seen, after = seen+len(found), next
		}
		b := w.meter.take()
		require.Equal(t, 300, seen)
		queries := 0
		for _, one := range b.calls {
			if one == "Query" {
				queries++
			}
		}
		require.LessOrEqual(t, queries, 300/50+1)
		require.LessOrEqual(t, len(b.calls), 3*pages)
		require.LessOrEqual(t, b.reads, 300+10*float64(pages))
		t.Logf("300 companies in %d pages: %d calls, %d of them queries, %v read units", pages, len(b.calls), queries, b.reads)
	}
}

// A page of a company's accounts costs what is on it: the same among 10,000 as among 100, for one that has little and one that has
// much beside it.
func TestServiceAccounts_AFirstPageCostsThePageWhateverTheCompanyHolds_W7(t *testing.T) {
	t.Parallel()
	w := metered(t)
	accounts := &serviceaccount.Service{Store: w.Store, Keys: &apikey.Service{Store: w.Store, Now: func() time.Time { return now }},
		Fold: fold.Name, Now: func() time.Time { return now }, Rand: rand.Reader}
	c := call.Call{Caller: authz.Caller{Type: audit.Employee, Place: w.root, Role: permission.All, Effective: permission.All}}
	page := func(after string) (bill, string) {
		w.meter.take()
		out, err := accounts.List(t.Context(), c, listing.Where{Company: w.company.Company}, serviceaccount.Filter{}, after, 50)
		require.NoError(t, err)
		require.Len(t, out.Accounts, 50)
		return w.meter.take(), out.Next
	}
	there := 1 // the fixture's own
	fill := func(n int) {
		for ; there < n; there++ {
			a := serviceaccount.Account{ID: draw[id.ServiceAccount](), Place: w.company, Name: fmt.Sprintf("Account %05d", there), RoleID: w.account.RoleID,
				Status: serviceaccount.Active, CreatedAt: now, UpdatedAt: now, Version: 1, EventSeq: 1, IssueEpoch: 1}
			w.commit(setOf(record("service_account", string(a.ID), 1, a.Place), serviceaccount.Create{Account: a}))
		}
	}
	fill(100)
	few, _ := page("")
	fill(10_000)
	many, next := page("")
	require.Equal(t, few.calls, many.calls)
	require.Equal(t, few.reads, many.reads)
	second, _ := page(next)
	require.InDelta(t, many.reads, second.reads, 1)
	t.Logf("50 of 10,000 accounts: %d calls, %v read units; of 100: %v", len(many.calls), many.reads, few.reads)
}
