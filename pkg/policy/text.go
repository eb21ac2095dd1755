package policy

import (
	"strconv"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/period"
)

// Limits of lists and texts. An item of a policy stays under 8 KiB with them.
const (
	MaxNotices   = 10
	MaxCalendars = 10
	MaxNotify    = 10
	MaxRule      = 500
	MaxZone      = 64
	MaxSecretID  = 600 // an ARN with a name of 512 characters
	MaxJSONKey   = 100
	MaxRoleARN   = 620 // a path of 512 and a name of 64
)

// Text is a policy's fields as the API spells them. What is nil is inherited. Pointers of violations are those of the API's
// object.
type Text struct {
	Schedule        *ScheduleText
	Overlap         *string
	Notice          *[]string
	QuietFor        *string
	RetireOnQuiet   *bool
	ExtendOnce      *string
	AllowRotateSelf *bool
	DefaultLifetime *string
	MaxLifetime     *string
	ReportOnly      *bool
	Lock            *LockText
	Calendars       *[]string
	DeliverTo       *Delivery
	Notify          *[]string
}

// ScheduleText is a schedule as the API spells it: every is a duration of whole days.
type ScheduleText struct{ Every, Rule, Zone string }

// LockText is a lock's numbers as the API spells it; what is nil is missing.
type LockText struct {
	Threshold *int
	Window    *string
	Duration  *string
	Strict    *bool
}

// TextOf spells fields.
func TextOf(f Fields) Text {
	t := Text{Overlap: spell(f.Overlap), QuietFor: spell(f.QuietFor), RetireOnQuiet: f.RetireOnQuiet, ExtendOnce: spell(f.ExtendOnce),
		AllowRotateSelf: f.AllowRotateSelf, DefaultLifetime: spell(f.DefaultLifetime), MaxLifetime: spell(f.MaxLifetime),
		ReportOnly: f.ReportOnly, DeliverTo: f.DeliverTo, Notify: f.Notify}
	if len(f.Notice) > 0 {
		notice := Periods(f.Notice)
		t.Notice = &notice
	}
	if s := f.Schedule; s != nil {
		t.Schedule = &ScheduleText{Every: Every(*s), Rule: s.Rule, Zone: s.Zone}
	}
	if l := f.Lock; l != nil {
		t.Lock = &LockText{Threshold: &l.Threshold, Window: spell(&l.Window), Duration: spell(&l.Duration), Strict: &l.Strict}
	}
	if c := f.Calendars; c != nil {
		ids := make([]string, len(*c))
		for i, calendar := range *c {
			ids[i] = string(calendar)
		}
		t.Calendars = &ids
	}
	return t
}

// Every is a schedule's interval as a duration; "" when it goes by a rule.
func Every(s calendar.Schedule) string {
	if s.EveryDays == 0 {
		return ""
	}
	return "P" + strconv.Itoa(s.EveryDays) + "D"
}

// Periods writes durations in ISO 8601.
func Periods(ds []time.Duration) []string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = period.Format(d)
	}
	return out
}

func spell(d *time.Duration) *string {
	if d == nil {
		return nil
	}
	if *d == 0 {
		never := "P0D"
		return &never
	}
	text := period.Format(*d)
	return &text
}

// reading collects what is wrong with a text.
type reading struct{ bad []fault.Field }

func (r *reading) refuse(pointer, detail string) {
	r.bad = append(r.bad, fault.Field{Pointer: pointer, Detail: detail})
}

// Read makes fields of their text, and says of every member what is wrong with it. It does not know whether calendars are there,
// nor whether a rule ever fires.
func (t Text) Read() (Fields, []fault.Field) {
	var r reading
	f := Fields{
		Schedule:        r.schedule(t.Schedule),
		Overlap:         r.duration("/overlap", t.Overlap, time.Minute, 30*day),
		Notice:          r.notice(t.Notice),
		QuietFor:        r.duration("/quiet_for", t.QuietFor, time.Minute, 30*day),
		RetireOnQuiet:   t.RetireOnQuiet,
		ExtendOnce:      r.extension(t.ExtendOnce),
		AllowRotateSelf: t.AllowRotateSelf,
		DefaultLifetime: r.duration("/default_lifetime", t.DefaultLifetime, day, 3650*day),
		MaxLifetime:     r.duration("/max_lifetime", t.MaxLifetime, day, 3650*day),
		ReportOnly:      t.ReportOnly,
		Lock:            r.lock(t.Lock),
		Calendars:       r.calendars(t.Calendars),
		DeliverTo:       r.delivery(t.DeliverTo),
		Notify:          r.notify(t.Notify),
	}
	if f.DefaultLifetime != nil && f.MaxLifetime != nil && *f.DefaultLifetime > *f.MaxLifetime {
		r.refuse("/default_lifetime", "is longer than max_lifetime, "+period.Format(*f.MaxLifetime))
	}
	return f, r.bad
}

// duration reads a duration within bounds, both included; nil for nil and for one that is refused.
func (r *reading) duration(pointer string, text *string, least, most time.Duration) *time.Duration {
	if text == nil {
		return nil
	}
	d, ok := period.Parse(*text)
	switch {
	case !ok:
		r.refuse(pointer, "is no duration of ISO 8601 in weeks, days, hours, minutes and seconds, like P7D or PT15M")
	case d < least || d > most:
		r.refuse(pointer, "must be from "+period.Format(least)+" to "+period.Format(most))
	default:
		return &d
	}
	return nil
}

func (r *reading) extension(text *string) *time.Duration {
	if text != nil {
		if d, ok := period.Parse(*text); ok && d == 0 {
			return &d // says never, against what would be inherited
		}
	}
	return r.duration("/extend_once", text, day, 30*day)
}

func (r *reading) notice(texts *[]string) []time.Duration {
	if texts == nil {
		return nil
	}
	if n := len(*texts); n < 1 || n > MaxNotices {
		r.refuse("/notice", "must have 1 to 10 entries")
		return nil
	}
	var out []time.Duration
	for i, text := range *texts {
		d := r.duration(entry("/notice", i), &text, time.Hour, 90*day)
		if d == nil {
			continue
		}
		if len(out) > 0 && *d >= out[len(out)-1] {
			r.refuse(entry("/notice", i), "is not shorter than the entry before: the longest comes first, each once")
		}
		out = append(out, *d)
	}
	return out
}

func (r *reading) schedule(t *ScheduleText) *calendar.Schedule {
	if t == nil {
		return nil
	}
	s := &calendar.Schedule{Rule: t.Rule, Zone: t.Zone}
	switch {
	case t.Every == "" && t.Rule == "":
		r.refuse("/schedule/every", "is missing; give every or rrule")
	case t.Every != "" && t.Rule != "":
		r.refuse("/schedule/rrule", "is given together with every; give one of them")
	case t.Every != "":
		if d := r.duration("/schedule/every", &t.Every, day, 3650*day); d != nil {
			if *d%day != 0 {
				r.refuse("/schedule/every", "is not whole days")
			}
			s.EveryDays = int(*d / day)
		}
	case len(t.Rule) > MaxRule:
		r.refuse("/schedule/rrule", "is longer than 500 characters")
	}
	switch {
	case t.Zone == "":
		r.refuse("/schedule/time_zone", "is missing; it is a name like Europe/Berlin or UTC")
	case len(t.Zone) > MaxZone:
		r.refuse("/schedule/time_zone", "is longer than 64 characters")
	}
	return s
}

func (r *reading) lock(t *LockText) *lock.Policy {
	if t == nil {
		return nil
	}
	var l lock.Policy
	switch {
	case t.Threshold == nil:
		r.refuse("/lock/threshold", "is missing")
	case *t.Threshold < 3 || *t.Threshold > 100:
		r.refuse("/lock/threshold", "must be from 3 to 100")
	default:
		l.Threshold = *t.Threshold
	}
	for _, m := range []struct {
		pointer string
		text    *string
		into    *time.Duration
	}{{"/lock/window", t.Window, &l.Window}, {"/lock/duration", t.Duration, &l.Duration}} {
		if m.text == nil {
			r.refuse(m.pointer, "is missing")
		} else if d := r.duration(m.pointer, m.text, time.Minute, day); d != nil {
			*m.into = *d
		}
	}
	l.Strict = t.Strict != nil && *t.Strict
	return &l
}

func (r *reading) calendars(texts *[]string) *[]id.Calendar {
	if texts == nil {
		return nil
	}
	out := make([]id.Calendar, 0, len(*texts))
	if len(*texts) > MaxCalendars {
		r.refuse("/calendar_ids", "has more than 10 entries")
		return &out
	}
	seen := map[string]bool{}
	for i, text := range *texts {
		switch c, ok := id.Parse[id.Calendar](text); {
		case !ok:
			r.refuse(entry("/calendar_ids", i), NoCalendar)
		case seen[text]:
			r.refuse(entry("/calendar_ids", i), "is listed twice")
		default:
			out = append(out, c)
		}
		seen[text] = true
	}
	return &out
}

// NoCalendar is said of a calendar that is not there, or not at the policy's place or above it.
const NoCalendar = "is no calendar at the policy's place or above it"

func (r *reading) notify(addresses *[]string) *[]string {
	if addresses == nil {
		return nil
	}
	if len(*addresses) > MaxNotify {
		r.refuse("/notify", "has more than 10 entries")
	}
	seen := map[string]bool{}
	for i, a := range *addresses {
		if problem := name.CheckEmail(a); problem != "" {
			r.refuse(entry("/notify", i), problem)
		} else if seen[a] {
			r.refuse(entry("/notify", i), "is listed twice")
		}
		seen[a] = true
	}
	return addresses
}

func (r *reading) delivery(d *Delivery) *Delivery {
	if d == nil {
		return nil
	}
	absent := func(pointer, value string) {
		if value != "" {
			r.refuse(pointer, "goes with the type secrets_manager only")
		}
	}
	text := func(pointer, value string, most int) {
		if len(value) > most {
			r.refuse(pointer, "is longer than "+strconv.Itoa(most)+" characters")
		} else if problem := name.CheckDescription(value); problem != "" || strings.ContainsAny(value, "\r\n\t") {
			r.refuse(pointer, "has a control or invisible character")
		}
	}
	switch d.Type {
	case Event:
		absent("/deliver_to/secret_id", d.SecretID)
		absent("/deliver_to/json_key", d.JSONKey)
		absent("/deliver_to/role_arn", d.RoleARN)
	case SecretsManager:
		if d.SecretID == "" {
			r.refuse("/deliver_to/secret_id", "is missing")
		}
		text("/deliver_to/secret_id", d.SecretID, MaxSecretID)
		text("/deliver_to/json_key", d.JSONKey, MaxJSONKey)
		text("/deliver_to/role_arn", d.RoleARN, MaxRoleARN)
		if d.RoleARN != "" && !(strings.HasPrefix(d.RoleARN, "arn:") && strings.Contains(d.RoleARN, ":iam::") && strings.Contains(d.RoleARN, ":role/")) {
			r.refuse("/deliver_to/role_arn", "is no ARN of an IAM role")
		}
	default:
		r.refuse("/deliver_to/type", "must be one of secrets_manager, event")
	}
	return d
}

func entry(list string, i int) string { return list + "/" + strconv.Itoa(i) }
