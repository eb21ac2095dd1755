package rotationpolicies

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/period"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/precondition"
)

// Attachment is what a policy is attached to.
type Attachment struct {
	Type string `json:"type" enum:"node,company,service_account"`
	ID   string `json:"id" maxLength:"100"`
}

// Policy is a policy as the API shows it. null is inherited.
type Policy struct {
	ID              string                      `json:"id" example:"pol_7Hq2cXv9LmN4pQr8sT1w"`
	AttachedTo      Attachment                  `json:"attached_to"`
	NodeID          string                      `json:"node_id"`
	CompanyID       *string                     `json:"company_id"`
	Schedule        httpapi.Nullable[Schedule]  `json:"schedule"`
	Overlap         *string                     `json:"overlap"`
	Notice          []string                    `json:"notice" nullable:"true"`
	QuietFor        *string                     `json:"quiet_for"`
	RetireOnQuiet   *bool                       `json:"retire_on_quiet"`
	ExtendOnce      *string                     `json:"extend_once" doc:"P0D: never"`
	AllowRotateSelf *bool                       `json:"allow_rotate_self"`
	DefaultLifetime *string                     `json:"default_lifetime"`
	MaxLifetime     *string                     `json:"max_lifetime"`
	ReportOnly      *bool                       `json:"report_only"`
	Lock            httpapi.Nullable[LockTerms] `json:"lock"`
	CalendarIDs     []string                    `json:"calendar_ids" nullable:"true"`
	DeliverTo       httpapi.Nullable[Delivery]  `json:"deliver_to"`
	Notify          []string                    `json:"notify" nullable:"true"`
	CreatedBy       string                      `json:"created_by" doc:"ID of who created it"`
	CreatedByName   string                      `json:"created_by_name"`
	CreatedAt       string                      `json:"created_at" format:"date-time"`
	UpdatedAt       string                      `json:"updated_at" format:"date-time"`
}

// Schedule says when keys rotate by themselves.
type Schedule struct {
	Every    *string `json:"every" doc:"Whole days from a secret's birth; null with rrule"`
	RRule    *string `json:"rrule" doc:"RFC 5545; null with every"`
	TimeZone string  `json:"time_zone"`
}

// LockTerms says when wrong secrets lock an account.
type LockTerms struct {
	Threshold int    `json:"threshold"`
	Window    string `json:"window"`
	Duration  string `json:"duration"`
	Strict    bool   `json:"strict"`
}

// Delivery says where new secrets go.
type Delivery struct {
	Type     string  `json:"type" enum:"secrets_manager,event"`
	SecretID *string `json:"secret_id"`
	JSONKey  *string `json:"json_key"`
	RoleARN  *string `json:"role_arn"`
}

// Of shows a policy.
func Of(p policy.Policy) Policy {
	t := policy.TextOf(p.Fields)
	out := Policy{ID: string(p.ID), AttachedTo: Attachment{Type: string(p.AttachedTo.Kind), ID: p.AttachedTo.ID}, NodeID: string(p.Place.Node()),
		CompanyID: httpapi.Text(p.Place.Company), Schedule: scheduleOf(p.Fields.Schedule), Overlap: t.Overlap, QuietFor: t.QuietFor,
		RetireOnQuiet: t.RetireOnQuiet, ExtendOnce: t.ExtendOnce, AllowRotateSelf: t.AllowRotateSelf, DefaultLifetime: t.DefaultLifetime,
		MaxLifetime: t.MaxLifetime, ReportOnly: t.ReportOnly, DeliverTo: deliveryOf(p.Fields.DeliverTo), CreatedBy: p.CreatedBy,
		CreatedByName: p.CreatedByName, CreatedAt: httpapi.TimeText(p.CreatedAt), UpdatedAt: httpapi.TimeText(p.UpdatedAt)}
	if l := p.Fields.Lock; l != nil {
		out.Lock.Value = lockOf(*l)
	}
	for _, l := range []struct {
		from *[]string
		to   *[]string
	}{{t.Notice, &out.Notice}, {t.Calendars, &out.CalendarIDs}, {t.Notify, &out.Notify}} {
		if l.from != nil {
			*l.to = entries(*l.from)
		}
	}
	return out
}

func tag(p policy.Policy) string { return precondition.Tag(string(p.ID), p.Version) }

// entries is a list that is never null.
func entries[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = string(e)
	}
	return out
}

func scheduleOf(s *calendar.Schedule) httpapi.Nullable[Schedule] {
	if s == nil {
		return httpapi.Nullable[Schedule]{}
	}
	return httpapi.NullableOf(&Schedule{Every: httpapi.Text(policy.Every(*s)), RRule: httpapi.Text(s.Rule), TimeZone: s.Zone})
}

func lockOf(l lock.Policy) *LockTerms {
	return &LockTerms{Threshold: l.Threshold, Window: period.Format(l.Window), Duration: period.Format(l.Duration), Strict: l.Strict}
}

func deliveryOf(d *policy.Delivery) httpapi.Nullable[Delivery] {
	if d == nil {
		return httpapi.Nullable[Delivery]{}
	}
	return httpapi.NullableOf(&Delivery{Type: d.Type, SecretID: httpapi.Text(d.SecretID), JSONKey: httpapi.Text(d.JSONKey), RoleARN: httpapi.Text(d.RoleARN)})
}

// Origin says where a value comes from.
type Origin struct {
	PolicyID   *string                      `json:"policy_id"`
	AttachedTo httpapi.Nullable[Attachment] `json:"attached_to"`
	Default    bool                         `json:"default" doc:"No policy sets it"`
}

// Value is a field's value with its source.
type Value[T any] struct {
	Value  T      `json:"value"`
	Source Origin `json:"source"`
}

// Bound is a Value that may be null.
type Bound struct {
	Value  *string `json:"value"`
	Source Origin  `json:"source"`
}

// Effective is what holds for a service account.
type Effective struct {
	Schedule        Value[httpapi.Nullable[Schedule]] `json:"schedule" doc:"null: keys do not rotate by themselves"`
	Overlap         Value[string]                     `json:"overlap"`
	Notice          Value[[]string]                   `json:"notice"`
	QuietFor        Value[string]                     `json:"quiet_for"`
	RetireOnQuiet   Value[bool]                       `json:"retire_on_quiet"`
	ExtendOnce      Bound                             `json:"extend_once" doc:"null: never"`
	AllowRotateSelf Value[bool]                       `json:"allow_rotate_self"`
	DefaultLifetime Bound                             `json:"default_lifetime" doc:"null: none"`
	MaxLifetime     Bound                             `json:"max_lifetime" doc:"null: none"`
	ReportOnly      Value[bool]                       `json:"report_only"`
	Lock            Value[LockTerms]                  `json:"lock"`
	CalendarIDs     Value[[]string]                   `json:"calendar_ids"`
	DeliverTo       Value[httpapi.Nullable[Delivery]] `json:"deliver_to" doc:"null: whoever rotates is shown the secret"`
	Notify          Value[[]string]                   `json:"notify" doc:"Beside the account's contacts"`
}

// EffectiveOf shows what holds.
func EffectiveOf(e policy.Effective) Effective {
	return Effective{
		Schedule:        shown(e.Schedule, scheduleOf),
		Overlap:         shown(e.Overlap, period.Format),
		Notice:          shown(e.Notice, policy.Periods),
		QuietFor:        shown(e.QuietFor, period.Format),
		RetireOnQuiet:   shown(e.RetireOnQuiet, same[bool]),
		ExtendOnce:      Bound(shown(e.ExtendOnce, bound)),
		AllowRotateSelf: shown(e.AllowRotateSelf, same[bool]),
		DefaultLifetime: Bound(shown(e.DefaultLifetime, bound)),
		MaxLifetime:     Bound(shown(e.MaxLifetime, bound)),
		ReportOnly:      shown(e.ReportOnly, same[bool]),
		Lock:            shown(e.Lock, func(l lock.Policy) LockTerms { return *lockOf(l) }),
		CalendarIDs:     shown(e.Calendars, entries[id.Calendar]),
		DeliverTo:       shown(e.DeliverTo, deliveryOf),
		Notify:          shown(e.Notify, entries[string]),
	}
}

func shown[T, S any](v policy.Value[T], show func(T) S) Value[S] {
	out := Value[S]{Value: show(v.Value), Source: Origin{PolicyID: httpapi.Text(v.Source.Policy), Default: v.Source.IsDefault()}}
	if to := v.Source.AttachedTo; !v.Source.IsDefault() {
		out.Source.AttachedTo = httpapi.NullableOf(&Attachment{Type: string(to.Kind), ID: to.ID})
	}
	return out
}

func same[T any](v T) T { return v }

// bound is a duration that is null when there is none.
func bound(d time.Duration) *string {
	if d == 0 {
		return nil
	}
	text := period.Format(d)
	return &text
}
