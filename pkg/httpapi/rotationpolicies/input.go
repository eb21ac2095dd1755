package rotationpolicies

import (
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/policy"
)

// Fields are what a policy sets, as a merge patch: what is left out stays, null is inherited. A new policy is a patch of nothing.
type Fields struct {
	Schedule        httpapi.Object[scheduleInput] `json:"schedule,omitempty" nullable:"true" doc:"When keys rotate by themselves; nowhere set: never"`
	Overlap         httpapi.Field[string]         `json:"overlap,omitempty" nullable:"true" maxLength:"30" doc:"How long an old key works beside its successor: PT1M to P30D"`
	Notice          httpapi.Field[httpapi.Texts]  `json:"notice,omitempty" nullable:"true" minItems:"1" maxItems:"10" doc:"When a key's end is announced before it: each PT1H to P90D, the longest first"`
	QuietFor        httpapi.Field[string]         `json:"quiet_for,omitempty" nullable:"true" maxLength:"30" doc:"Without traffic on the old key for so long, a rotation is quiet: PT1M to P30D"`
	RetireOnQuiet   httpapi.Field[bool]           `json:"retire_on_quiet,omitempty" nullable:"true" doc:"A quiet rotation ends the old key at once"`
	ExtendOnce      httpapi.Field[string]         `json:"extend_once,omitempty" nullable:"true" maxLength:"30" doc:"Once, by how much, when traffic is still on the old key at its end: P1D to P30D; P0D: never"`
	AllowRotateSelf httpapi.Field[bool]           `json:"allow_rotate_self,omitempty" nullable:"true" doc:"A key may replace itself"`
	DefaultLifetime httpapi.Field[string]         `json:"default_lifetime,omitempty" nullable:"true" maxLength:"30" doc:"Of a secret whose maker gives no expires_at: P1D to P3650D"`
	MaxLifetime     httpapi.Field[string]         `json:"max_lifetime,omitempty" nullable:"true" maxLength:"30" doc:"Of any secret: P1D to P3650D"`
	ReportOnly      httpapi.Field[bool]           `json:"report_only,omitempty" nullable:"true" doc:"What breaks the policy is recorded and not refused"`
	Lock            httpapi.Object[lockInput]     `json:"lock,omitempty" nullable:"true" doc:"When wrong secrets lock an account; all members but strict together"`
	CalendarIDs     httpapi.Field[httpapi.Texts]  `json:"calendar_ids,omitempty" nullable:"true" maxItems:"10" doc:"Freezes and windows, at the policy's place or above it; empty: none"`
	DeliverTo       httpapi.Object[deliveryInput] `json:"deliver_to,omitempty" nullable:"true" doc:"Where new secrets go; stored, and not yet acted on"`
	Notify          httpapi.Field[httpapi.Texts]  `json:"notify,omitempty" nullable:"true" maxItems:"10" doc:"E-mail addresses; empty: none"`
}

type scheduleInput struct {
	Every    httpapi.Field[string] `json:"every,omitempty" nullable:"true" maxLength:"30" doc:"Whole days from a secret's birth, like P90D; this or rrule"`
	RRule    httpapi.Field[string] `json:"rrule,omitempty" nullable:"true" maxLength:"500" doc:"RFC 5545, like FREQ=MONTHLY;BYDAY=1SU;BYHOUR=3"`
	TimeZone httpapi.Field[string] `json:"time_zone,omitempty" nullable:"true" maxLength:"64" doc:"A name of the IANA database, like Europe/Berlin"`
}

type lockInput struct {
	Threshold httpapi.Field[int]    `json:"threshold,omitempty" nullable:"true" minimum:"3" maximum:"100" doc:"Wrong secrets within a window"`
	Window    httpapi.Field[string] `json:"window,omitempty" nullable:"true" maxLength:"30" doc:"From the first wrong secret: PT1M to PT24H"`
	Duration  httpapi.Field[string] `json:"duration,omitempty" nullable:"true" maxLength:"30" doc:"From the last counted wrong secret: PT1M to PT24H"`
	Strict    httpapi.Field[bool]   `json:"strict,omitempty" nullable:"true" doc:"A lock refuses trusted sources, too"`
}

type deliveryInput struct {
	Type     httpapi.Field[string] `json:"type,omitempty" nullable:"true" enum:"secrets_manager,event"`
	SecretID httpapi.Field[string] `json:"secret_id,omitempty" nullable:"true" maxLength:"600" doc:"Name or ARN of a secret of AWS Secrets Manager"`
	JSONKey  httpapi.Field[string] `json:"json_key,omitempty" nullable:"true" maxLength:"100" doc:"Member of the secret's JSON object; left out: the whole text"`
	RoleARN  httpapi.Field[string] `json:"role_arn,omitempty" nullable:"true" maxLength:"620" doc:"IAM role to assume in the secret's account"`
}

// edit makes the text that a policy has then of the text that it has. It is pure.
func (in Fields) edit(t policy.Text) policy.Text {
	merge(in.Overlap, &t.Overlap)
	merge(in.QuietFor, &t.QuietFor)
	merge(in.RetireOnQuiet, &t.RetireOnQuiet)
	merge(in.ExtendOnce, &t.ExtendOnce)
	merge(in.AllowRotateSelf, &t.AllowRotateSelf)
	merge(in.DefaultLifetime, &t.DefaultLifetime)
	merge(in.MaxLifetime, &t.MaxLifetime)
	merge(in.ReportOnly, &t.ReportOnly)
	list(in.Notice, &t.Notice)
	list(in.CalendarIDs, &t.Calendars)
	list(in.Notify, &t.Notify)
	object(in.Schedule, &t.Schedule, func(m scheduleInput, s *policy.ScheduleText) {
		text(m.Every, &s.Every)
		text(m.RRule, &s.Rule)
		text(m.TimeZone, &s.Zone)
	})
	object(in.Lock, &t.Lock, func(m lockInput, l *policy.LockText) {
		merge(m.Threshold, &l.Threshold)
		merge(m.Window, &l.Window)
		merge(m.Duration, &l.Duration)
		merge(m.Strict, &l.Strict)
	})
	object(in.DeliverTo, &t.DeliverTo, func(m deliveryInput, d *policy.Delivery) {
		text(m.Type, &d.Type)
		text(m.SecretID, &d.SecretID)
		text(m.JSONKey, &d.JSONKey)
		text(m.RoleARN, &d.RoleARN)
	})
	return t
}

func merge[T any](f httpapi.Field[T], into **T) {
	switch {
	case f.Null:
		*into = nil
	case f.Given:
		*into = &f.Value
	}
}

func list(f httpapi.Field[httpapi.Texts], into **[]string) {
	switch {
	case f.Null:
		*into = nil
	case f.Given:
		*into = (*[]string)(&f.Value)
	}
}

// text merges a text whose absence is "".
func text(f httpapi.Field[string], into *string) {
	if f.Given {
		*into = f.Value
	}
}

// object merges the members that are given into a copy of the object that is there, or into an empty one.
func object[M, T any](f httpapi.Object[M], into **T, members func(M, *T)) {
	switch {
	case f.Null:
		*into = nil
	case f.Given:
		var next T
		if *into != nil {
			next = **into
		}
		members(f.Value, &next)
		*into = &next
	}
}
