package dynamo

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/policy"
)

// policyFields is what a policy sets, as the JSON object that is kept of it: what is not in it is inherited. Durations are in
// seconds. A whole object, as nothing is ever asked for by one of its members.
type policyFields struct {
	Schedule        *policySchedule `json:"schedule,omitempty"`
	Overlap         *int64          `json:"overlap,omitempty"`
	Notice          []int64         `json:"notice,omitempty"`
	QuietFor        *int64          `json:"quiet,omitempty"`
	RetireOnQuiet   *bool           `json:"retire,omitempty"`
	ExtendOnce      *int64          `json:"extend,omitempty"`
	AllowRotateSelf *bool           `json:"self,omitempty"`
	DefaultLifetime *int64          `json:"life,omitempty"`
	MaxLifetime     *int64          `json:"max,omitempty"`
	ReportOnly      *bool           `json:"report,omitempty"`
	Lock            *policyLock     `json:"lock,omitempty"`
	Calendars       *[]id.Calendar  `json:"calendars,omitempty"`
	DeliverTo       *policyDelivery `json:"deliver,omitempty"`
	Notify          *[]string       `json:"notify,omitempty"`
}

type policySchedule struct {
	Every int    `json:"every,omitempty"`
	Rule  string `json:"rule,omitempty"`
	Zone  string `json:"zone"`
}

type policyLock struct {
	Threshold int   `json:"threshold"`
	Window    int64 `json:"window"`
	Duration  int64 `json:"duration"`
	Strict    bool  `json:"strict,omitempty"`
}

type policyDelivery struct {
	Type   string `json:"type"`
	Secret string `json:"secret,omitempty"`
	Member string `json:"member,omitempty"`
	Role   string `json:"role,omitempty"`
}

func seconds(d *time.Duration) *int64 {
	if d == nil {
		return nil
	}
	s := int64(*d / time.Second)
	return &s
}

func duration(s *int64) *time.Duration {
	if s == nil {
		return nil
	}
	d := time.Duration(*s) * time.Second
	return &d
}

func encodeFields(f policy.Fields) (string, error) {
	kept := policyFields{Overlap: seconds(f.Overlap), QuietFor: seconds(f.QuietFor), RetireOnQuiet: f.RetireOnQuiet,
		ExtendOnce: seconds(f.ExtendOnce), AllowRotateSelf: f.AllowRotateSelf, DefaultLifetime: seconds(f.DefaultLifetime),
		MaxLifetime: seconds(f.MaxLifetime), ReportOnly: f.ReportOnly, Calendars: f.Calendars, Notify: f.Notify}
	for _, n := range f.Notice {
		kept.Notice = append(kept.Notice, *seconds(&n))
	}
	if s := f.Schedule; s != nil {
		kept.Schedule = &policySchedule{Every: s.EveryDays, Rule: s.Rule, Zone: s.Zone}
	}
	if l := f.Lock; l != nil {
		kept.Lock = &policyLock{Threshold: l.Threshold, Window: *seconds(&l.Window), Duration: *seconds(&l.Duration), Strict: l.Strict}
	}
	if d := f.DeliverTo; d != nil {
		kept.DeliverTo = &policyDelivery{Type: d.Type, Secret: d.SecretID, Member: d.JSONKey, Role: d.RoleARN}
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return "", fmt.Errorf("fields of the policy: %w", err)
	}
	return string(text), nil
}

func decodeFields(text string) (policy.Fields, error) {
	var kept policyFields
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		return policy.Fields{}, fmt.Errorf("fields of the policy: %w", err)
	}
	f := policy.Fields{Overlap: duration(kept.Overlap), QuietFor: duration(kept.QuietFor), RetireOnQuiet: kept.RetireOnQuiet,
		ExtendOnce: duration(kept.ExtendOnce), AllowRotateSelf: kept.AllowRotateSelf, DefaultLifetime: duration(kept.DefaultLifetime),
		MaxLifetime: duration(kept.MaxLifetime), ReportOnly: kept.ReportOnly, Calendars: kept.Calendars, Notify: kept.Notify}
	for _, n := range kept.Notice {
		f.Notice = append(f.Notice, *duration(&n))
	}
	if s := kept.Schedule; s != nil {
		f.Schedule = &calendar.Schedule{EveryDays: s.Every, Rule: s.Rule, Zone: s.Zone}
	}
	if l := kept.Lock; l != nil {
		f.Lock = &lock.Policy{Threshold: l.Threshold, Window: *duration(&l.Window), Duration: *duration(&l.Duration), Strict: l.Strict}
	}
	if d := kept.DeliverTo; d != nil {
		f.DeliverTo = &policy.Delivery{Type: d.Type, SecretID: d.Secret, JSONKey: d.Member, RoleARN: d.Role}
	}
	return f, nil
}

func encodePolicy(p policy.Policy) (item, error) {
	it := newItem(policyKey(p.AttachedTo.ID), typePolicy)
	it.string(attrID, string(p.ID))
	it.string(attrAttachedKind, string(p.AttachedTo.Kind))
	it.place(p.Place)
	fields, err := encodeFields(p.Fields)
	if err != nil {
		return nil, err
	}
	it.string(attrFields, fields)
	it.string(attrCreatedBy, p.CreatedBy)
	it.string(attrCreatedByName, p.CreatedByName)
	it.time(attrCreatedAt, p.CreatedAt)
	it.time(attrUpdatedAt, p.UpdatedAt)
	it.int(attrVersion, p.Version)
	it.int(attrEventSeq, p.EventSeq)
	return it, nil
}

func decodePolicy(it item) (policy.Policy, error) {
	r := reader{it: it}
	p := policy.Policy{ID: id.Policy(r.string(attrID)), Place: r.place(),
		AttachedTo: policy.Attachment{Kind: policy.Kind(r.string(attrAttachedKind)), ID: attachedTo(r.string(attrPK))},
		CreatedBy:  r.string(attrCreatedBy), CreatedByName: r.string(attrCreatedByName), CreatedAt: r.time(attrCreatedAt),
		UpdatedAt: r.time(attrUpdatedAt), Version: r.int(attrVersion), EventSeq: r.int(attrEventSeq)}
	fields := r.string(attrFields)
	if r.err != nil {
		return policy.Policy{}, r.err
	}
	var err error
	p.Fields, err = decodeFields(fields)
	return p, err
}

// policyRows returns the rows that list a policy, and the one that leads from its ID to where it is kept.
func policyRows(p policy.Policy) []row {
	return append(listRows(listing.Policies, p.Place, "", p.AttachedTo.ID), row{key: policyAtKey(p.ID), typ: typePolicyAt, id: p.AttachedTo.ID,
		place: p.Place.ID(), taken: "the ID is taken"})
}

func decodeTask(it item) (policy.Task, error) {
	r := reader{it: it}
	return policy.Task{Policy: id.Policy(r.string(attrID)), Place: r.place(), Version: r.int(attrVersion),
		Stage: policy.Stage(r.int(attrStage)), Cursor: r.string(attrCursor),
		AttachedTo: policy.Attachment{Kind: policy.Kind(r.string(attrAttachedKind)), ID: r.string(attrAttachedID)}, DueAt: r.time(attrDueAt)}, r.err
}
