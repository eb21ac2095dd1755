package notice_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/notice"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/staff"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// soon is the life of a key whose end is announced a minute after its issue.
const soon = 7*day + time.Minute

// recipients are those of letters, sorted.
func recipients(letters []posted) []string {
	var out []string
	for _, l := range letters {
		out = append(out, l.To)
	}
	slices.Sort(out)
	return out
}

func TestSend_AnEndIsToldAtEachNoticeToContactsAndThePolicysList_B3(t *testing.T) {
	o := newOffice(t)
	a := o.account("Recorder", o.Company, "Blue@Example.com", "ops@example.com", "blue+2@example.com")
	o.Policy(rekeytest.At(o.Company), policy.Text{Notify: rekeytest.To([]string{"OPS@example.com", "audit@example.com", "ops+x@example.com"})})
	k := o.IssueFor(a.ID, "Production", 40*day)
	o.RequestTo(k.Secret, rekeytest.Home, "GET", "/keys", verify.Allow)
	used := o.Now()
	got := map[string][]string{}
	for _, l := range o.pass(41*day, time.Hour) {
		left := k.View.Key.ExpiresAt.Sub(l.at)
		got[l.To] = append(got[l.To], fmt.Sprint((left + 12*time.Hour).Truncate(day)))
		require.Contains(t, l.Text, `"Production" of "Recorder"`)
		require.Contains(t, l.Text, "It ends at "+k.View.Key.ExpiresAt.Format(time.RFC3339)+" (in ")
		require.Contains(t, l.Text, "Last used at "+used.Format(time.RFC3339))
		require.Contains(t, l.Text, " from "+rekeytest.Home)
		require.Contains(t, l.Text, "POST /v1/keys/"+string(k.View.Key.ID)+"/rotate")
		require.Contains(t, l.HTML, "POST /v1/keys/"+string(k.View.Key.ID)+"/rotate")
		require.NotContains(t, l.Text+l.HTML+l.Subject, k.Secret.Reveal())
		require.NotContains(t, l.Subject, "Production")
	}
	days := []string{"720h0m0s", "336h0m0s", "168h0m0s", "24h0m0s"}
	require.Equal(t, map[string][]string{"blue@example.com": days, "ops@example.com": days, "audit@example.com": days}, got)
}

func TestSend_WithoutContactsAndListTheOwnerIsTold_B3(t *testing.T) {
	o := newOffice(t)
	o.IssueFor(o.Account("Recorder", o.Company).ID, "k", 10*day)
	require.Equal(t, []string{"owner@example.com"}, recipients(o.pass(4*day, time.Hour)))
}

func TestSend_WithoutTheOwnerWhoSetItUpAnotherOneIsTold_B3(t *testing.T) {
	for _, leaves := range []func(*office, *rekeytest.Person) error{
		func(o *office, by *rekeytest.Person) error {
			return o.Staff.Delete(o.Ctx, o.As(by), o.Owner.Employee.ID)
		},
		func(o *office, by *rekeytest.Person) error {
			_, err := o.Staff.Patch(o.Ctx, o.As(by), o.Owner.Employee.ID, staff.Patch{RoleID: rekeytest.To(role.Admin)})
			return err
		},
	} {
		o := newOffice(t)
		o.Hire("Second", o.Below, role.Owner)
		o.IssueFor(o.Account("Recorder", o.Company).ID, "k", 10*day)
		require.NoError(t, leaves(o, o.Hire("Third", o.Root, role.Owner)))
		require.Equal(t, []string{"second@example.com"}, recipients(o.pass(4*day, time.Hour)))
	}
}

func TestSend_WhatComesTogetherGoesTogetherTenMinutesLater_B3(t *testing.T) {
	o := newOffice(t)
	a := o.account("Recorder", o.Company, "blue@example.com")
	first := o.IssueFor(a.ID, "first", 7*day+time.Minute)
	second := o.IssueFor(a.ID, "second", 7*day+8*time.Minute)
	o.Advance(time.Minute)
	o.sweep()
	o.hear()
	require.Zero(t, o.send().Sent)
	o.Advance(7 * time.Minute)
	o.sweep()
	o.hear()
	require.Zero(t, o.send().Sent)
	o.Advance(4 * time.Minute)
	r := o.send()
	require.Equal(t, 1, r.Sent)
	require.Equal(t, 2, r.Told)
	require.Equal(t, 11*time.Minute, r.Oldest)
	l := o.letters()
	require.Len(t, l, 1)
	require.Contains(t, l[0].Text, string(first.View.Key.ID))
	require.Contains(t, l[0].Text, string(second.View.Key.ID))
	require.Equal(t, "rekey: 2 keys end soon", l[0].Subject)
	require.Zero(t, o.send())
	require.Empty(t, o.pass(2*day, time.Hour))
}

func TestSend_OneMessageADayAndWhatCannotWaitGoesInAFurtherOneAnHourApart_B3(t *testing.T) {
	o := newOffice(t)
	o.Clock.Set(time.Date(2031, time.March, 5, 9, 0, 0, 0, time.UTC))
	a := o.account("Recorder", o.Company, "blue@example.com")
	start := o.Now()
	o.IssueFor(a.ID, "at once", 7*day+time.Minute)             // 9:00, the day's message at 9:10
	o.IssueFor(a.ID, "waits for tomorrow", 7*day+time.Hour)    // 10:00
	o.IssueFor(a.ID, "urgent", day+2*time.Hour)                // 11:00, a further one at 11:01, which takes the one before along
	o.IssueFor(a.ID, "urgent too", day+150*time.Minute)        // 11:30: an hour after the last further one
	o.IssueFor(a.ID, "waits too", 7*day+3*time.Hour)           // 12:00 and goes with it at 12:01
	o.IssueFor(a.ID, "waits for midnight", 7*day+10*time.Hour) // 19:00
	var at []string
	var told [][]string
	for _, l := range o.pass(16*time.Hour, time.Minute) {
		at = append(at, l.at.Sub(start).String())
		var names []string
		for _, n := range []string{"at once", "waits for tomorrow", "urgent", "urgent too", "waits too", "waits for midnight"} {
			if strings.Contains(l.Text, `"`+n+`"`) {
				names = append(names, n)
			}
		}
		told = append(told, names)
	}
	require.Equal(t, []string{"11m0s", "2h1m0s", "3h1m0s", "15h0m0s"}, at)
	require.Equal(t, [][]string{{"at once"}, {"waits for tomorrow", "urgent"}, {"urgent too", "waits too"}, {"waits for midnight"}}, told)
}

func TestSend_AThousandKeysAreOneBoundedMessageForEachRecipient_B3(t *testing.T) {
	o := newOffice(t)
	a := o.account("Recorder", o.Company, "blue@example.com", "ops@example.com")
	for i := range 1000 {
		o.IssueFor(a.ID, fmt.Sprintf("key %04d", i), soon+time.Duration(i)*time.Millisecond)
	}
	o.Advance(time.Minute)
	letters := o.pass(18*time.Hour, 30*time.Minute)
	require.Equal(t, []string{"blue@example.com", "ops@example.com"}, recipients(letters))
	for _, l := range letters {
		require.Equal(t, "rekey: 1000 keys end soon", l.Subject)
		require.Equal(t, notice.MaxFull, strings.Count(l.Text, "What to do:"))
		require.Contains(t, l.Text, "And 900 more: GET /v1/keys?expires_before=")
		require.Contains(t, l.Text, `"key 0000"`, "the soonest")
		require.NotContains(t, l.Text, `"key 0100"`)
		require.Less(t, len(l.Text)+len(l.HTML), 200_000)
	}
}

func TestSend_NobodyIsToldOfWhatHasBeenDealtWith_B3(t *testing.T) {
	for what, deal := range map[string]func(o *office, k apikey.Shown){
		"revoked": func(o *office, k apikey.Shown) {
			_, err := o.Keys.Revoke(o.Ctx, o.As(o.Owner), k.View.Key.ID, "", "")
			require.NoError(o.t, err)
		},
		"no end any more": func(o *office, k apikey.Shown) {
			_, err := o.Keys.Patch(o.Ctx, o.As(o.Owner), k.View.Key.ID, apikey.Patch{ExpiresAt: apikey.Expiry{Given: true}})
			require.NoError(o.t, err)
		},
		"regenerated": func(o *office, k apikey.Shown) {
			out, err := o.Keys.Regenerate(o.Ctx, o.As(o.Owner), k.View.Key.ID, apikey.Expiry{Given: true, At: o.Now().Add(90 * day)}, false)
			require.NoError(o.t, err)
			o.Note(out.Secret)
		},
		"its account revoked": func(o *office, k apikey.Shown) {
			_, err := o.Accounts.Revoke(o.Ctx, o.As(o.Owner), k.View.Account.ID, "")
			require.NoError(o.t, err)
		},
		"its account deleted": func(o *office, k apikey.Shown) {
			_, err := o.Keys.Revoke(o.Ctx, o.As(o.Owner), k.View.Key.ID, "", "")
			require.NoError(o.t, err)
			require.NoError(o.t, o.Accounts.Delete(o.Ctx, o.As(o.Owner), k.View.Account.ID))
		},
		"another contact": func(o *office, k apikey.Shown) { o.contacts(k.View.Account.ID, "green@example.com") },
	} {
		o := newOffice(t)
		k := o.IssueFor(o.account("Recorder", o.Company, "blue@example.com").ID, "k", soon)
		o.announce()
		deal(o, k)
		o.Advance(15 * time.Minute)
		r := o.send()
		require.Equal(t, notice.Run{Dropped: 1, Oldest: 15 * time.Minute}, r, what)
		require.Empty(t, o.letters(), what)
		require.Empty(t, o.pass(day, time.Hour), what)
	}
}

func TestSend_AnAddressThatIsNoneStopsNobody_B3(t *testing.T) {
	o := newOffice(t)
	a := o.account("Recorder", o.Company, "blue@example.com")
	bad := a
	bad.Contacts = []string{"nobody", "blue@example.com", " ", "two@example.com\r\nBcc: all@example.com"}
	o.stored(a, bad)
	o.IssueFor(a.ID, "k", soon)
	require.Equal(t, []string{"blue@example.com"}, recipients(o.pass(time.Hour, 5*time.Minute)))
	require.Contains(t, o.log.String(), "not an address")
}

func TestSend_WhileTheServiceIsDownLinesWaitAndAreTriedSeldom_B3(t *testing.T) {
	o := newOffice(t)
	for i := range 10 {
		o.IssueFor(o.account(fmt.Sprint("Recorder ", i), o.Company, fmt.Sprintf("team%d@example.com", i)).ID, "k", soon)
	}
	o.fails = func(notice.Letter) error { return errDown }
	require.Empty(t, o.pass(70*time.Minute, 5*time.Minute))
	require.LessOrEqual(t, o.tries, 40, "a run gives up after three, a recipient waits longer each time")
	o.fails = nil
	letters := o.pass(45*time.Minute, 5*time.Minute)
	require.Len(t, letters, 10)
	require.Len(t, slices.Compact(recipients(letters)), 10)
}

func TestSend_ARefusedRecipientWaitsADayAndStopsNobody_B3(t *testing.T) {
	o := newOffice(t)
	for _, to := range []string{"bad@example.com", "good@example.com"} {
		o.IssueFor(o.account("Recorder "+to, o.Company, to).ID, "k", soon)
	}
	o.fails = func(l notice.Letter) error {
		if l.To == "bad@example.com" {
			return &notice.Refused{Code: "MessageRejected", Message: "Email address is not verified. The following identities failed the check: " + l.To}
		}
		return nil
	}
	o.announce()
	o.Advance(15 * time.Minute)
	r := o.send()
	require.Equal(t, 1, r.Sent)
	require.Equal(t, 1, r.SetAside)
	require.Equal(t, []string{"good@example.com"}, recipients(o.letters()))
	require.Contains(t, o.log.String(), "MessageRejected")
	require.NotContains(t, o.log.String(), "bad@example.com", "no address in a log")
	o.tries = 0
	require.Empty(t, o.pass(20*time.Hour, time.Hour))
	require.Zero(t, o.tries)
	o.fails = nil
	require.Equal(t, []string{"bad@example.com"}, recipients(o.pass(6*time.Hour, time.Hour)))
}

func TestSend_OnHoldNothingIsLookedAt(t *testing.T) {
	o := newOffice(t)
	o.IssueFor(o.account("Recorder", o.Company, "blue@example.com").ID, "k", soon)
	o.announce()
	o.Advance(time.Hour)
	s := o.service()
	s.Hold = true
	o.Store.Reset()
	r, err := s.Send(o.Ctx)
	require.NoError(t, err)
	require.Equal(t, notice.Run{OnHold: true}, r)
	require.Empty(t, o.Store.Calls())
	require.Equal(t, 1, o.send().Sent)
}

func TestSend_WhenItsTimeIsUpTheRestIsLeftToTheNextRun(t *testing.T) {
	o := newOffice(t)
	for i := range 5 {
		o.IssueFor(o.account(fmt.Sprint("Recorder ", i), o.Company, fmt.Sprintf("team%d@example.com", i)).ID, "k", soon)
	}
	o.announce()
	o.Advance(15 * time.Minute)
	ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(time.Hour))
	defer cancel()
	s := o.service()
	deadline, _ := ctx.Deadline()
	looked := 0
	s.Now = func() time.Time {
		if looked++; looked > 8 {
			return deadline.Add(-time.Second)
		}
		return o.Now()
	}
	r, err := s.Send(ctx)
	require.NoError(t, err)
	require.True(t, r.More)
	require.Less(t, r.Sent, 5)
	require.Equal(t, 5-r.Sent, o.send().Sent)
}

func TestSend_ACallCostsWhatItSays_B3(t *testing.T) {
	o := newOffice(t)
	require.Equal(t, []string{"Wakes"}, o.Calls(func() { o.send() }), "nothing is due")

	a := o.account("Recorder", o.Company, "blue@example.com", "ops@example.com", "red@example.com")
	o.IssueFor(a.ID, "k", soon)
	o.Advance(time.Minute)
	o.sweep()
	require.Equal(t, []string{"AuditEvent", "Account", "PoliciesOf", "AddLines", "Wake", "Wake", "Wake"}, o.Calls(func() {
		_, err := o.service().Hear(o.Ctx, o.records("key.expiring")[0].ID)
		require.NoError(t, err)
	}))
}

// stored puts contacts as an older version may have accepted them.
func (o *office) stored(old, next serviceaccount.Account) {
	next.Version++
	next.EventSeq++
	w := serviceaccount.Update{Old: old, New: &next}
	o.commit(old, next.EventSeq, w)
}
