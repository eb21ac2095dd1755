package apikey_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

var stateNow = time.Date(2031, time.March, 4, 5, 6, 7, 0, time.UTC)

func TestStateOf_TheFirstThatApplies_D6(t *testing.T) {
	now := stateNow
	active := serviceaccount.Account{Status: serviceaccount.Active, IssueEpoch: 2, UpdatedAt: now.Add(-time.Hour)}
	revoked := active
	revoked.Status = serviceaccount.Revoked
	deleted := active
	deleted.Status = serviceaccount.Deleted
	ownEnd := &serviceaccount.Ended{At: now.Add(-time.Minute), By: "holder", Reason: apikey.ReasonCompromise}
	epochEnd := &serviceaccount.Ended{At: now.Add(-time.Minute), By: "emp_00000000000000000001", Reason: apikey.ReasonSuperseded}
	expired := func(ago time.Duration) *serviceaccount.Ended {
		return &serviceaccount.Ended{At: now.Add(-ago), By: "system", Reason: "expired"}
	}
	for what, c := range map[string]struct {
		key     apikey.Key
		account serviceaccount.Account
		end     *serviceaccount.Ended
		want    apikey.State
	}{
		"a key for ever": {apikey.Key{IssueEpoch: 2}, active, nil, apikey.State{Status: apikey.Active}},
		"before its notice": {apikey.Key{IssueEpoch: 2, ExpiresAt: now.Add(time.Hour), NoticeFrom: now.Add(time.Second)}, active, nil,
			apikey.State{Status: apikey.Active}},
		"from its notice on": {apikey.Key{IssueEpoch: 2, ExpiresAt: now.Add(time.Hour), NoticeFrom: now}, active, nil,
			apikey.State{Status: apikey.Expiring}},
		"in its last second": {apikey.Key{IssueEpoch: 2, ExpiresAt: now.Add(time.Second), NoticeFrom: now.Add(-time.Hour)}, active, nil,
			apikey.State{Status: apikey.Expiring}},
		"at its end": {apikey.Key{IssueEpoch: 2, ExpiresAt: now}, active, nil, apikey.State{apikey.Expired, expired(0)}},
		"after its end": {apikey.Key{IssueEpoch: 2, ExpiresAt: now.Add(-time.Hour), Off: true}, active, nil,
			apikey.State{apikey.Expired, expired(time.Hour)}},
		"switched off":            {apikey.Key{IssueEpoch: 2, Off: true, NoticeFrom: now}, active, nil, apikey.State{Status: apikey.Inactive}},
		"revoked":                 {apikey.Key{IssueEpoch: 2, Ended: ownEnd}, active, nil, apikey.State{apikey.Revoked, ownEnd}},
		"revoked, then expired":   {apikey.Key{IssueEpoch: 2, Ended: ownEnd, ExpiresAt: now}, active, nil, apikey.State{apikey.Revoked, ownEnd}},
		"revoked, then its epoch": {apikey.Key{IssueEpoch: 1, Ended: ownEnd}, active, epochEnd, apikey.State{apikey.Revoked, ownEnd}},
		"of an older epoch":       {apikey.Key{IssueEpoch: 1}, active, epochEnd, apikey.State{apikey.Revoked, epochEnd}},
		"of a newer epoch":        {apikey.Key{IssueEpoch: 3}, active, nil, apikey.State{apikey.Revoked, &serviceaccount.Ended{At: active.UpdatedAt, By: "system", Reason: apikey.ReasonCessation}}},
		"expired before its epoch ended": {apikey.Key{IssueEpoch: 1, ExpiresAt: now.Add(-time.Hour)}, active, epochEnd,
			apikey.State{apikey.Expired, expired(time.Hour)}},
		"expired after its epoch ended": {apikey.Key{IssueEpoch: 1, ExpiresAt: now.Add(-time.Second)}, active, epochEnd,
			apikey.State{apikey.Revoked, epochEnd}},
		"of a revoked account":    {apikey.Key{IssueEpoch: 2}, revoked, epochEnd, apikey.State{apikey.Revoked, epochEnd}},
		"off, of a revoked one":   {apikey.Key{IssueEpoch: 2, Off: true}, revoked, epochEnd, apikey.State{apikey.Revoked, epochEnd}},
		"of a deleted account":    {apikey.Key{IssueEpoch: 2}, deleted, epochEnd, apikey.State{apikey.Revoked, epochEnd}},
		"of an account of nobody": {apikey.Key{}, serviceaccount.Account{}, nil, apikey.State{apikey.Revoked, &serviceaccount.Ended{By: "system", Reason: apikey.ReasonCessation}}},
	} {
		require.Equal(t, c.want, apikey.StateOf(c.key, c.account, c.end, now), what)
	}
}

// What has ended stays ended, at the same time and for the same reason, whatever happens to key and account afterwards but
// another end.
func TestStateOf_AnEndIsFinal_D4(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hours := rapid.IntRange(-100, 100)
		at := func(h int) time.Time { return stateNow.Add(time.Duration(h) * time.Hour) }
		h := hours.Draw(t, "now")
		k := apikey.Key{IssueEpoch: 1, Off: rapid.Bool().Draw(t, "off")}
		if rapid.Bool().Draw(t, "expires") {
			k.ExpiresAt = at(hours.Draw(t, "end"))
			k.NoticeFrom = apikey.NoticeOf(k.ExpiresAt, apikey.Notice)
		}
		a := serviceaccount.Account{Status: serviceaccount.Active, IssueEpoch: 1}
		var end *serviceaccount.Ended
		if rapid.Bool().Draw(t, "epoch over") {
			end = &serviceaccount.Ended{At: at(rapid.IntRange(-100, h).Draw(t, "epoch's end")), By: "emp_x", Reason: apikey.ReasonCessation}
			if rapid.Bool().Draw(t, "by revoking") {
				a.Status = serviceaccount.Revoked
			} else {
				a.IssueEpoch = 2
			}
		}
		before := apikey.StateOf(k, a, end, at(h))
		if before.Live() != (before.Status != apikey.Expired && before.Status != apikey.Revoked) {
			t.Fatalf("%+v", before)
		}
		k.Off = !k.Off
		after := apikey.StateOf(k, a, end, at(rapid.IntRange(h, 100).Draw(t, "later")))
		if !before.Live() && (after.Status != before.Status || *after.Ended != *before.Ended) {
			t.Fatalf("%+v %+v, then %+v %+v", before, before.Ended, after, after.Ended)
		}
	})
}

func TestNoticeOf_IsThirtyDaysBeforeTheEnd_B11(t *testing.T) {
	require.Equal(t, stateNow.Add(-30*24*time.Hour), apikey.NoticeOf(stateNow, apikey.Notice))
	require.True(t, apikey.NoticeOf(time.Time{}, apikey.Notice).IsZero())
}

func TestPrefix_IsTheFirstEightCharactersOfTheSecret_D8(t *testing.T) {
	require.Equal(t, "rka_7Hq2", apikey.Key{ID: "key_7Hq2cXv9LmN4pQr8sT1w", Kind: 'a'}.Prefix())
	require.Equal(t, "rkg_7Hq2", apikey.Key{ID: "key_7Hq2cXv9LmN4pQr8sT1w", Kind: 'g'}.Prefix())
}
