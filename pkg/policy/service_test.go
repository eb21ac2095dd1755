package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

func create(w *rekeytest.World, at policy.Attachment) rekeytest.Use {
	return func(c call.Call) (any, token.Secret, error) {
		p, err := w.Policies.Create(w.Ctx, c, at, policy.Text{Overlap: to("P3D")})
		return p, token.Secret{}, err
	}
}

var posts = []rekeytest.Operation{
	{Name: "create of a node", Record: audit.PolicyCreated, Prepare: func(w *rekeytest.World) rekeytest.Use { return create(w, rekeytest.At(w.Below)) }},
	{Name: "create of an account", Record: audit.PolicyCreated, Prepare: func(w *rekeytest.World) rekeytest.Use {
		return create(w, rekeytest.On(w.Account("exporter", w.Company)))
	}},
}

func existing(change func(w *rekeytest.World, c call.Call, p id.Policy) error) func(w *rekeytest.World) rekeytest.Use {
	return func(w *rekeytest.World) rekeytest.Use {
		p := w.Policy(rekeytest.At(w.Below), policy.Text{Overlap: to("P3D")})
		return func(c call.Call) (any, token.Secret, error) { return nil, token.Secret{}, change(w, c, p.ID) }
	}
}

var others = []rekeytest.Operation{
	{Name: "patch", Record: audit.PolicyUpdated, Unkeyed: true, Prepare: existing(func(w *rekeytest.World, c call.Call, p id.Policy) error {
		_, err := w.Policies.Patch(w.Ctx, c, p, func(t policy.Text) policy.Text { t.Overlap = to("P5D"); return t })
		return err
	})},
	{Name: "delete", Record: audit.PolicyDeleted, Unkeyed: true, Again: []fault.Kind{fault.NotFound},
		Prepare: existing(func(w *rekeytest.World, c call.Call, p id.Policy) error { return w.Policies.Delete(w.Ctx, c, p) })},
}

func TestChanges_HaveOneEffectWhateverFails(t *testing.T) {
	for _, o := range append(posts, others...) {
		o.EveryFault(t)
	}
}

func TestCreate_SentTwiceAtOnceIsOneWithOneAnswer(t *testing.T) {
	for _, o := range posts {
		o.Simultaneous(t)
	}
}

func TestCreate_RecordsWhatWasSetAndLeavesATask_B9(t *testing.T) {
	w := rekeytest.New(t)
	p := w.Policy(rekeytest.At(w.Company), policy.Text{Overlap: to("P3D"), Notify: texts("ops@example.com")})
	e := w.Record(audit.PolicyCreated)
	require.Equal(t, audit.Target{Type: "policy", ID: string(p.ID), Name: w.Company.ID()}, e.Target)
	require.Equal(t, w.Company, e.Place)
	require.Equal(t, map[string]any{"type": "company", "id": w.Company.ID()}, e.Details["attached_to"])
	require.Equal(t, []any{"overlap", "notify"}, e.Details["changed"])
	require.Equal(t, map[string]any{"overlap": "P3D", "notify": []any{"ops@example.com"}}, e.Details["values"])
	tasks, err := w.Mem.Tasks(w.Ctx, []id.Policy{p.ID})
	require.NoError(t, err)
	require.Equal(t, []policy.Task{{Policy: p.ID, AttachedTo: p.AttachedTo, Place: w.Company, Version: 1, DueAt: w.Now()}}, tasks)
}

func TestCreate_ASecondPolicyOfAPlaceIsAConflictThatNamesTheFirst(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("exporter", w.Company)
	for _, at := range []policy.Attachment{rekeytest.At(w.Root), rekeytest.At(w.Company), rekeytest.On(a)} {
		first := w.Policy(at, policy.Text{})
		_, err := w.Policies.Create(w.Ctx, w.As(w.Owner), at, policy.Text{Overlap: to("P1D")})
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, fault.Conflict, f.Kind)
		require.Equal(t, []fault.Blocker{{Type: "policy", Count: 1, IDs: []string{string(first.ID)}}}, f.BlockedBy)
		require.NoError(t, w.Policies.Delete(w.Ctx, w.As(w.Owner), first.ID))
		w.Policy(at, policy.Text{})
	}
}

func TestCreate_WantsSomethingThatIsThereAndMayBeManaged(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("exporter", w.Company)
	kind := func(p *rekeytest.Person, at policy.Attachment) fault.Kind {
		_, err := w.Policies.Create(w.Ctx, w.As(p), at, policy.Text{})
		return fault.KindOf(err)
	}
	for _, at := range []policy.Attachment{{Kind: policy.Node, ID: "node_00000000000000000001"}, {Kind: policy.Company, ID: "co_00000000000000000001"},
		{Kind: policy.ServiceAccount, ID: "sa_00000000000000000001"}, {Kind: policy.Node, ID: "n"}, {Kind: policy.Company, ID: string(a.ID)},
		{Kind: policy.ServiceAccount, ID: w.Root.ID()}} {
		require.Equal(t, fault.NotFound, kind(w.Owner, at), at)
	}
	require.Equal(t, fault.Invalid, kind(w.Owner, policy.Attachment{Kind: "msp", ID: w.Root.ID()}))
	for _, at := range []policy.Attachment{rekeytest.At(w.Root), rekeytest.At(w.Sibling), rekeytest.At(w.Stranger)} {
		require.Equal(t, fault.NotFound, kind(w.BelowAdmin, at))
	}
	for _, p := range []*rekeytest.Person{w.Viewer, w.Operator} {
		require.Equal(t, fault.MissingPermission, kind(p, rekeytest.On(a)))
	}
	_, err := w.Accounts.Revoke(w.Ctx, w.As(w.Owner), a.ID, "")
	require.NoError(t, err)
	require.Equal(t, fault.Ended, kind(w.Owner, rekeytest.On(a)))
	require.NoError(t, w.Accounts.Delete(w.Ctx, w.As(w.Owner), a.ID))
	require.Equal(t, fault.NotFound, kind(w.Owner, rekeytest.On(a)))
}

func TestCreate_RefusesASchedulesOrACalendarsProblem_B9(t *testing.T) {
	w := rekeytest.New(t)
	above, beside := freeze(w, "Above", w.Root), freeze(w, "Beside", w.Sibling)
	text := policy.Text{Schedule: &policy.ScheduleText{Rule: "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30", Zone: "UTC"}, Calendars: texts(string(above.ID), string(beside.ID), "cal_00000000000000000003")}
	_, err := w.Policies.Create(w.Ctx, w.As(w.Owner), rekeytest.At(w.Below), text)
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, []fault.Field{{Pointer: "/schedule/rrule", Detail: "does not fire within the next 5 years"},
		{Pointer: "/calendar_ids/1", Detail: policy.NoCalendar}, {Pointer: "/calendar_ids/2", Detail: policy.NoCalendar}}, f.Fields)
}

func TestPatch_NullInheritsAgainAndWhatStaysIsNoChange_B9(t *testing.T) {
	w := rekeytest.New(t)
	p := w.Policy(rekeytest.At(w.Root), policy.Text{Overlap: to("P3D"), ReportOnly: to(true)})
	patch := func(edit func(*policy.Text)) policy.Policy {
		got, err := w.Policies.Patch(w.Ctx, w.As(w.Owner), p.ID, func(t policy.Text) policy.Text { edit(&t); return t })
		require.NoError(t, err)
		return got
	}
	require.Zero(t, w.Changed(func() { patch(func(t *policy.Text) { t.Overlap = to("PT72H") }) }))
	got := patch(func(t *policy.Text) { t.Overlap, t.QuietFor = nil, to("PT1H") })
	require.Equal(t, int64(2), got.Version)
	require.Nil(t, got.Fields.Overlap)
	require.True(t, *got.Fields.ReportOnly)
	e := w.Record(audit.PolicyUpdated)
	require.Equal(t, []any{"overlap", "quiet_for"}, e.Details["changed"])
	require.Equal(t, map[string]any{"overlap": nil, "quiet_for": "PT1H"}, e.Details["values"])
	tasks, err := w.Mem.Tasks(w.Ctx, []id.Policy{p.ID})
	require.NoError(t, err)
	require.Equal(t, int64(2), tasks[0].Version)

	_, err = w.Policies.Patch(w.Ctx, w.As(w.Owner), p.ID, func(t policy.Text) policy.Text { t.MaxLifetime, t.DefaultLifetime = to("P1D"), to("P2D"); return t })
	require.Equal(t, fault.Invalid, fault.KindOf(err))
	stale := w.As(w.Owner)
	stale.Match = precondition.Match{Given: true, Tags: []string{precondition.Tag(string(p.ID), 1)}}
	_, err = w.Policies.Patch(w.Ctx, stale, p.ID, func(t policy.Text) policy.Text { return t })
	require.Equal(t, fault.PreconditionFailed, fault.KindOf(err))
	require.Equal(t, fault.PreconditionFailed, fault.KindOf(w.Policies.Delete(w.Ctx, stale, p.ID)))
}

func TestPolicies_OfOthersDoNotExist_B9(t *testing.T) {
	w := rekeytest.New(t)
	p := w.Policy(rekeytest.At(w.Stranger), policy.Text{})
	same := func(t policy.Text) policy.Text { return t }
	for _, who := range []*rekeytest.Person{w.BelowAdmin, w.CompanyAdmin} {
		_, err := w.Policies.Get(w.Ctx, w.As(who), p.ID)
		require.Equal(t, fault.NotFound, fault.KindOf(err))
		_, err = w.Policies.Patch(w.Ctx, w.As(who), p.ID, same)
		require.Equal(t, fault.NotFound, fault.KindOf(err))
		require.Equal(t, fault.NotFound, fault.KindOf(w.Policies.Delete(w.Ctx, w.As(who), p.ID)))
		_, err = w.Policies.Effective(w.Ctx, w.As(who), w.Account(who.Employee.FirstName, w.Stranger).ID)
		require.Equal(t, fault.NotFound, fault.KindOf(err))
	}
	_, err := w.Policies.Get(w.Ctx, w.As(w.Viewer), p.ID)
	require.NoError(t, err)
	_, err = w.Policies.Patch(w.Ctx, w.As(w.Viewer), p.ID, same)
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, string(permission.PoliciesManage), f.MissingPermission)
}

func TestList_IsOfThePlaceAndInPages_B9(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("exporter", w.Company)
	root, below := w.Policy(rekeytest.At(w.Root), policy.Text{}), w.Policy(rekeytest.At(w.Below), policy.Text{})
	company, own := w.Policy(rekeytest.At(w.Company), policy.Text{}), w.Policy(rekeytest.On(a), policy.Text{})
	beside := w.Policy(rekeytest.At(w.Sibling), policy.Text{})
	listed := func(p *rekeytest.Person, where listing.Where) []id.Policy {
		var out []id.Policy
		for after := ""; ; {
			page, err := w.Policies.List(w.Ctx, w.As(p), where, after, 2)
			require.NoError(t, err)
			for _, found := range page.Policies {
				out = append(out, found.ID)
			}
			if after = page.Next; after == "" {
				return out
			}
		}
	}
	all := []id.Policy{root.ID, below.ID, company.ID, own.ID, beside.ID}
	require.ElementsMatch(t, all, listed(w.Owner, listing.Where{}))
	require.ElementsMatch(t, all[1:4], listed(w.BelowAdmin, listing.Where{}))
	require.ElementsMatch(t, all[2:4], listed(w.Owner, listing.Where{Company: w.Company.Company}))
	require.Equal(t, []id.Policy{below.ID}, listed(w.Owner, listing.Where{Node: w.Below.Node(), Direct: true}))
	page, err := w.Policies.OfAccount(w.Ctx, w.As(w.Owner), a.ID)
	require.NoError(t, err)
	require.Len(t, page.Policies, 1)
	require.Equal(t, own.ID, page.Policies[0].ID)
}

// freeze makes a calendar with one freeze, over the end of 2031.
func freeze(w *rekeytest.World, name string, at place.Place) calendar.Calendar {
	events := []calendar.Event{{UID: "1", Summary: "Christmas trade", Start: time.Date(2031, 12, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2032, 1, 7, 0, 0, 0, 0, time.UTC)}}
	c, err := w.Calendars.Create(w.Ctx, w.As(w.Owner), calendar.New{Name: name, Kind: calendar.Freeze, Zone: "UTC", Node: at.Node(), Source: calendar.Source{Events: &events}})
	require.NoError(w.T, err)
	return c
}

func TestCalendar_IsNotDeletedWhileAPolicyNamesIt_B9(t *testing.T) {
	w := rekeytest.New(t)
	one, two := freeze(w, "One", w.Root), freeze(w, "Two", w.Root)
	deleted := func(c calendar.Calendar) fault.Kind {
		return fault.KindOf(w.Calendars.Delete(w.Ctx, w.As(w.Owner), c.ID))
	}
	p := w.Policy(rekeytest.At(w.Below), policy.Text{Calendars: texts(string(one.ID))})
	require.Equal(t, fault.InUse, deleted(one))
	_, err := w.Policies.Patch(w.Ctx, w.As(w.Owner), p.ID, func(t policy.Text) policy.Text { t.Calendars = texts(string(two.ID)); return t })
	require.NoError(t, err)
	require.Equal(t, fault.InUse, deleted(two))
	require.NoError(t, w.Calendars.Delete(w.Ctx, w.As(w.Owner), one.ID))
	require.NoError(t, w.Policies.Delete(w.Ctx, w.As(w.Owner), p.ID))
	require.NoError(t, w.Calendars.Delete(w.Ctx, w.As(w.Owner), two.ID))
}

func TestPreview_IsOfTheScheduleThatHoldsThereAndSaysWhatAFreezeMoves_B9(t *testing.T) {
	w := rekeytest.New(t)
	a := w.Account("exporter", w.Company)
	december := freeze(w, "December", w.Root)
	w.Policy(rekeytest.At(w.Below), policy.Text{Schedule: &policy.ScheduleText{Rule: "FREQ=MONTHLY;BYMONTHDAY=15;BYHOUR=3", Zone: "UTC"}})
	w.Policy(rekeytest.At(w.Root), policy.Text{Calendars: texts(string(december.ID))})
	own := w.Policy(rekeytest.On(a), policy.Text{})
	bare := w.Policy(rekeytest.At(w.Sibling), policy.Text{})
	window := policy.Window{Anchor: w.Now(), From: time.Date(2031, 11, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2032, 2, 1, 0, 0, 0, 0, time.UTC)}
	got, err := w.Policies.Preview(w.Ctx, w.As(w.Viewer), own.ID, window)
	require.NoError(t, err)
	fifteenth := func(year int, month time.Month) time.Time { return time.Date(year, month, 15, 3, 0, 0, 0, time.UTC) }
	require.Equal(t, []calendar.Occurrence{
		{At: fifteenth(2031, 11)},
		{At: december.Events[0].End, MovedFrom: fifteenth(2031, 12), Why: []calendar.Block{{From: december.Events[0].Start, To: december.Events[0].End, Calendar: december.ID, Summary: "Christmas trade"}}},
		{At: fifteenth(2032, 1)},
	}, got)
	none, err := w.Policies.Preview(w.Ctx, w.As(w.Viewer), bare.ID, window)
	require.NoError(t, err)
	require.Empty(t, none)

	for pointer, spoil := range map[string]func(*policy.Window){
		"/to":     func(w *policy.Window) { w.To = w.From },
		"/anchor": func(w *policy.Window) { w.Anchor = w.From.Add(1) },
	} {
		wrong := window
		spoil(&wrong)
		_, err := w.Policies.Preview(w.Ctx, w.As(w.Viewer), own.ID, wrong)
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, pointer, f.Fields[0].Pointer)
	}
	for _, long := range []policy.Window{{Anchor: window.From, From: window.From, To: window.From.AddDate(11, 0, 0)},
		{Anchor: window.From.AddDate(-11, 0, 0), From: window.From, To: window.To}} {
		_, err := w.Policies.Preview(w.Ctx, w.As(w.Viewer), own.ID, long)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
	}
	_, err = w.Policies.Preview(w.Ctx, w.As(w.StrangerAdmin), own.ID, window)
	require.Equal(t, fault.NotFound, fault.KindOf(err))
}
