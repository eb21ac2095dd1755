package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/policy"
)

func to[T any](v T) *T { return &v }

func texts(s ...string) *[]string { return &s }

const day = 24 * time.Hour

func TestRead_TakesEveryFieldWithinItsBounds_B9(t *testing.T) {
	full := policy.Text{Schedule: &policy.ScheduleText{Rule: "FREQ=MONTHLY;BYDAY=1SU", Zone: "Europe/Berlin"}, Overlap: to("P7D"),
		Notice: texts("P30D", "P14D", "P7D", "P1D"), QuietFor: to("P1D"), RetireOnQuiet: to(true), ExtendOnce: to("P7D"), AllowRotateSelf: to(false),
		DefaultLifetime: to("P90D"), MaxLifetime: to("P90D"), ReportOnly: to(false),
		Lock:      &policy.LockText{Threshold: to(3), Window: to("PT1M"), Duration: to("P1D"), Strict: to(true)},
		Calendars: texts("cal_00000000000000000001"), DeliverTo: &policy.Delivery{Type: policy.Event}, Notify: texts("ops@example.com")}
	f, bad := full.Read()
	require.Empty(t, bad)
	require.Equal(t, full, policy.TextOf(f), "and spells it as it was")
	require.Equal(t, 7*day, *f.Overlap)
	require.Equal(t, []time.Duration{30 * day, 14 * day, 7 * day, day}, f.Notice)
	require.Equal(t, lock.Policy{Threshold: 3, Window: time.Minute, Duration: day, Strict: true}, *f.Lock)

	nothing, bad := policy.Text{}.Read()
	require.Empty(t, bad)
	require.Equal(t, policy.Fields{}, nothing)

	every, bad := policy.Text{Schedule: &policy.ScheduleText{Every: "P13W", Zone: "UTC"}, ExtendOnce: to("PT0S"), Calendars: texts(), Notify: texts()}.Read()
	require.Empty(t, bad)
	require.Equal(t, 91, every.Schedule.EveryDays)
	require.Equal(t, time.Duration(0), *every.ExtendOnce, "never, against what would be inherited")
	require.Equal(t, "P0D", *policy.TextOf(every).ExtendOnce)
	require.Equal(t, "P91D", policy.TextOf(every).Schedule.Every)
	require.NotNil(t, every.Calendars)
	require.NotNil(t, every.Notify)
}

func TestRead_SaysWhichMemberIsWrong_B9(t *testing.T) {
	lock := func(change func(*policy.LockText)) policy.Text {
		l := policy.LockText{Threshold: to(10), Window: to("PT15M"), Duration: to("PT30M")}
		change(&l)
		return policy.Text{Lock: &l}
	}
	manager := func(change func(*policy.Delivery)) policy.Text {
		d := policy.Delivery{Type: policy.SecretsManager, SecretID: "acme/key"}
		change(&d)
		return policy.Text{DeliverTo: &d}
	}
	for _, x := range []struct {
		text     policy.Text
		pointers []string
	}{
		{policy.Text{Overlap: to("PT59S")}, []string{"/overlap"}},
		{policy.Text{Overlap: to("P31D")}, []string{"/overlap"}},
		{policy.Text{Overlap: to("a week")}, []string{"/overlap"}},
		{policy.Text{Overlap: to("P1M")}, []string{"/overlap"}},
		{policy.Text{QuietFor: to("PT1S")}, []string{"/quiet_for"}},
		{policy.Text{QuietFor: to("P30DT1S")}, []string{"/quiet_for"}},
		{policy.Text{ExtendOnce: to("PT12H")}, []string{"/extend_once"}},
		{policy.Text{ExtendOnce: to("P31D")}, []string{"/extend_once"}},
		{policy.Text{DefaultLifetime: to("PT1H")}, []string{"/default_lifetime"}},
		{policy.Text{DefaultLifetime: to("P3651D")}, []string{"/default_lifetime"}},
		{policy.Text{MaxLifetime: to("P3651D")}, []string{"/max_lifetime"}},
		{policy.Text{DefaultLifetime: to("P91D"), MaxLifetime: to("P90D")}, []string{"/default_lifetime"}},
		{policy.Text{Notice: texts()}, []string{"/notice"}},
		{policy.Text{Notice: texts(slices.Repeat([]string{"P1D"}, 11)...)}, []string{"/notice"}},
		{policy.Text{Notice: texts("P91D", "PT59M")}, []string{"/notice/0", "/notice/1"}},
		{policy.Text{Notice: texts("P7D", "P7D")}, []string{"/notice/1"}},
		{policy.Text{Notice: texts("P1D", "P7D")}, []string{"/notice/1"}},
		{policy.Text{Notice: texts("PT168H", "P7D")}, []string{"/notice/1"}},
		{policy.Text{Schedule: &policy.ScheduleText{}}, []string{"/schedule/every", "/schedule/time_zone"}},
		{policy.Text{Schedule: &policy.ScheduleText{Every: "P90D", Rule: "FREQ=DAILY", Zone: "UTC"}}, []string{"/schedule/rrule"}},
		{policy.Text{Schedule: &policy.ScheduleText{Every: "PT36H", Zone: "UTC"}}, []string{"/schedule/every"}},
		{policy.Text{Schedule: &policy.ScheduleText{Every: "P3651D", Zone: "UTC"}}, []string{"/schedule/every"}},
		{policy.Text{Schedule: &policy.ScheduleText{Rule: strings.Repeat("R", 501), Zone: strings.Repeat("Z", 65)}}, []string{"/schedule/rrule", "/schedule/time_zone"}},
		{policy.Text{Lock: &policy.LockText{}}, []string{"/lock/threshold", "/lock/window", "/lock/duration"}},
		{lock(func(l *policy.LockText) { l.Threshold = to(2) }), []string{"/lock/threshold"}},
		{lock(func(l *policy.LockText) { l.Threshold = to(101) }), []string{"/lock/threshold"}},
		{lock(func(l *policy.LockText) { l.Window = to("PT59S") }), []string{"/lock/window"}},
		{lock(func(l *policy.LockText) { l.Duration = to("P1DT1S") }), []string{"/lock/duration"}},
		{policy.Text{Calendars: texts("cal_1", "cal_00000000000000000001", "cal_00000000000000000001")}, []string{"/calendar_ids/0", "/calendar_ids/2"}},
		{policy.Text{Calendars: texts(slices.Repeat([]string{"cal_00000000000000000001"}, 11)...)}, []string{"/calendar_ids"}},
		{policy.Text{Notify: texts("nobody", "a@example.com", "a@example.com")}, []string{"/notify/0", "/notify/2"}},
		{policy.Text{Notify: texts("1@a.de", "2@a.de", "3@a.de", "4@a.de", "5@a.de", "6@a.de", "7@a.de", "8@a.de", "9@a.de", "10@a.de", "11@a.de")}, []string{"/notify"}},
		{policy.Text{DeliverTo: &policy.Delivery{}}, []string{"/deliver_to/type"}},
		{policy.Text{DeliverTo: &policy.Delivery{Type: "pigeon"}}, []string{"/deliver_to/type"}},
		{policy.Text{DeliverTo: &policy.Delivery{Type: policy.Event, SecretID: "s", JSONKey: "k", RoleARN: "r"}},
			[]string{"/deliver_to/secret_id", "/deliver_to/json_key", "/deliver_to/role_arn"}},
		{manager(func(d *policy.Delivery) { d.SecretID = "" }), []string{"/deliver_to/secret_id"}},
		{manager(func(d *policy.Delivery) { d.SecretID = strings.Repeat("s", 601) }), []string{"/deliver_to/secret_id"}},
		{manager(func(d *policy.Delivery) { d.JSONKey = "a\nb" }), []string{"/deliver_to/json_key"}},
		{manager(func(d *policy.Delivery) { d.RoleARN = "rekey" }), []string{"/deliver_to/role_arn"}},
	} {
		_, bad := x.text.Read()
		var got []string
		for _, f := range bad {
			require.NotEmpty(t, f.Detail)
			got = append(got, f.Pointer)
		}
		require.Equal(t, x.pointers, got, "%+v", x.text)
	}
}
