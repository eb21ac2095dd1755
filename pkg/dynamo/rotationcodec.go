package dynamo

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

// step is a rotation.Step as it is stored, in a JSON array.
type step struct {
	State    string `json:"s"`
	At       int64  `json:"t"`
	By       string `json:"b"`
	Evidence string `json:"e,omitempty"`
}

// delivered is a delivery.Progress as it is stored, as JSON.
type delivered struct {
	Type    string `json:"k"`
	Secret  string `json:"s"`
	JSONKey string `json:"m,omitempty"`
	Role    string `json:"r,omitempty"`
	Version string `json:"v"`
	From    string `json:"f,omitempty"`
	DoneAt  int64  `json:"t,omitempty"`
	Problem string `json:"p,omitempty"`
}

// encodeDelivery is "" for a rotation without one.
func encodeDelivery(d delivery.Progress) string {
	if d.Target.Type == "" {
		return ""
	}
	out := delivered{Type: string(d.Target.Type), Secret: d.Target.SecretID, JSONKey: d.Target.JSONKey, Role: d.Target.RoleARN, Version: d.Version,
		From: d.From, Problem: d.Problem, DoneAt: millis(d.DoneAt)}
	text, err := json.Marshal(out)
	if err != nil {
		panic(err) // strings and a number
	}
	return string(text)
}

func decodeDelivery(text string) (delivery.Progress, error) {
	if text == "" {
		return delivery.Progress{}, nil
	}
	var in delivered
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return delivery.Progress{}, fmt.Errorf("the delivery of a rotation: %w", err)
	}
	return delivery.Progress{Target: delivery.Target{Type: delivery.Type(in.Type), SecretID: in.Secret, JSONKey: in.JSONKey, RoleARN: in.Role},
		Version: in.Version, From: in.From, Problem: in.Problem, DoneAt: moment(in.DoneAt)}, nil
}

// planned is a rotation.Planned as it is stored, as JSON.
type planned struct {
	Due    int64   `json:"d,omitempty"`
	Blocks []block `json:"b,omitempty"`
}

type block struct {
	From     int64  `json:"f"`
	To       int64  `json:"t,omitempty"`
	Calendar string `json:"c"`
	Summary  string `json:"s"`
}

// encodePlanned is "" for a rotation that no schedule and no calendar had to do with.
func encodePlanned(p rotation.Planned) string {
	if p.Due.IsZero() && len(p.Blocks) == 0 {
		return ""
	}
	out := planned{Due: millis(p.Due)}
	for _, b := range p.Blocks {
		out.Blocks = append(out.Blocks, block{From: millis(b.From), To: millis(b.To), Calendar: string(b.Calendar), Summary: b.Summary})
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(text)
}

func decodePlanned(text string) (out rotation.Planned, err error) {
	if text == "" {
		return out, nil
	}
	var in planned
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return out, fmt.Errorf("the plan of a rotation: %w", err)
	}
	out.Due = moment(in.Due)
	for _, b := range in.Blocks {
		out.Blocks = append(out.Blocks, calendar.Block{From: moment(b.From), To: moment(b.To), Calendar: id.Calendar(b.Calendar), Summary: b.Summary})
	}
	return out, nil
}

// millis is a time in milliseconds; 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func encodeRotation(r rotation.Rotation) item {
	it := newItem(rotationKey(r.ID), typeRotation)
	it.string(attrMode, string(r.Mode))
	it.string(attrStatus, string(r.State))
	it.string(attrOldKey, string(r.OldKey))
	it.string(attrNewKey, string(r.NewKey))
	it.string(attrAccount, string(r.AccountID))
	it.place(r.Place)
	it.int(attrOverlap, int64(r.Terms.Overlap))
	it.int(attrQuietFor, int64(r.Terms.QuietFor))
	it.bool(attrRetireOnQuiet, r.Terms.RetireOnQuiet)
	it.int(attrExtendOnce, int64(r.Terms.ExtendOnce))
	it.string(attrPolicy, string(r.Terms.Policy))
	it.string(attrCreatedBy, r.StartedBy)
	it.string(attrCreatedByName, r.StartedByName)
	it.string(attrReason, r.Reason)
	it.time(attrSuspected, r.Suspected)
	it.time(attrOverlapEnds, r.OverlapEndsAt)
	it.time(attrFormerExpires, r.FormerExpiresAt)
	it.time(attrFormerNotice, r.FormerNoticeFrom)
	it.bool(attrExtended, r.Extended)
	it.string(attrSteps, encodeSteps(r.Steps))
	it.string(attrDelivery, encodeDelivery(r.Delivery))
	it.string(attrPlanned, encodePlanned(r.Planned))
	it.time(attrCreatedAt, r.CreatedAt)
	it.time(attrUpdatedAt, r.UpdatedAt)
	it.int(attrVersion, r.Version)
	it.int(attrEventSeq, r.EventSeq)
	return it
}

func decodeRotation(it item) (rotation.Rotation, error) {
	r := reader{it: it}
	out := rotation.Rotation{ID: id.Rotation(r.string(attrPK)), Mode: rotation.Mode(r.string(attrMode)), State: rotation.State(r.string(attrStatus)),
		OldKey: id.Key(r.string(attrOldKey)), NewKey: id.Key(r.string(attrNewKey)), AccountID: id.ServiceAccount(r.string(attrAccount)), Place: r.place(),
		Terms: rotation.Terms{Overlap: time.Duration(r.int(attrOverlap)), QuietFor: time.Duration(r.int(attrQuietFor)),
			RetireOnQuiet: r.bool(attrRetireOnQuiet), ExtendOnce: time.Duration(r.int(attrExtendOnce)), Policy: id.Policy(r.string(attrPolicy))},
		StartedBy: r.string(attrCreatedBy), StartedByName: r.string(attrCreatedByName), Reason: r.string(attrReason), Suspected: r.time(attrSuspected),
		OverlapEndsAt: r.time(attrOverlapEnds), FormerExpiresAt: r.time(attrFormerExpires), FormerNoticeFrom: r.time(attrFormerNotice),
		Extended: r.bool(attrExtended), CreatedAt: r.time(attrCreatedAt), UpdatedAt: r.time(attrUpdatedAt), Version: r.int(attrVersion),
		EventSeq: r.int(attrEventSeq)}
	steps, err := decodeSteps(r.string(attrSteps))
	if err == nil {
		out.Delivery, err = decodeDelivery(r.string(attrDelivery))
	}
	if err == nil {
		out.Planned, err = decodePlanned(r.string(attrPlanned))
	}
	if r.err != nil {
		err = r.err
	}
	out.Steps = steps
	return out, err
}

func encodeSteps(steps []rotation.Step) string {
	out := make([]step, len(steps))
	for i, s := range steps {
		out[i] = step{string(s.State), s.At.UnixMilli(), s.By, s.Evidence}
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(text)
}

func decodeSteps(text string) ([]rotation.Step, error) {
	var in []step
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return nil, fmt.Errorf("the steps of a rotation: %w", err)
	}
	out := make([]rotation.Step, len(in))
	for i, s := range in {
		out[i] = rotation.Step{State: rotation.State(s.State), At: time.UnixMilli(s.At).UTC(), By: s.By, Evidence: s.Evidence}
	}
	return out, nil
}

func (b *builder) createRotation(w rotation.Create) {
	r, table := w.Rotation, b.store.tables.Directory
	b.put(create(table, rotationKey(r.ID), encodeRotation(r), w, "the ID is taken"))
	for _, at := range append(r.Place.Ancestors(), string(r.AccountID)) {
		listed := row{key: rotationRowKey(at, r.CreatedAt, r.ID), typ: typeRotationRow, id: string(r.ID), place: r.Place.ID(), taken: "it is listed already"}
		b.put(create(table, listed.key, listed.item(), w, listed.taken))
	}
}

func (b *builder) updateRotation(w rotation.Update) {
	r := w.New
	a := action{table: b.store.tables.Directory, key: rotationKey(w.Old.ID), write: w, reason: "the rotation has changed"}
	e := &a.expr
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrVersion, w.Old.Version))
	e.require(e.isInt(attrEventSeq, w.Old.EventSeq))
	e.setString(attrStatus, string(r.State))
	e.setTime(attrOverlapEnds, r.OverlapEndsAt)
	e.setBool(attrExtended, r.Extended)
	e.setString(attrSteps, encodeSteps(r.Steps))
	e.setString(attrDelivery, encodeDelivery(r.Delivery))
	e.setTime(attrUpdatedAt, r.UpdatedAt)
	e.setInt(attrVersion, r.Version)
	e.setInt(attrEventSeq, r.EventSeq)
	b.put(a)
}

// Rotation reads a rotation.
func (s *Store) Rotation(ctx context.Context, r id.Rotation) (_ rotation.Rotation, err error) {
	defer wrap(&err, "Store.Rotation(%s)", r)
	return one(ctx, s, s.tables.Directory, rotationKey(r), "rotation", decodeRotation)
}

// Rotations returns rotations of a place and everything below it, or of one account, newest first: one call for the rows and
// one for the rotations.
func (s *Store) Rotations(ctx context.Context, q rotation.Query) (_ rotation.Page, err error) {
	at := q.Place
	if q.Account != "" {
		at = string(q.Account)
	}
	defer wrap(&err, "Store.Rotations(%s)", at)
	if q.Limit < 1 || q.Limit > listing.ReadLimit {
		return rotation.Page{}, fmt.Errorf("a page of %d rotations", q.Limit)
	}
	rows := query{table: s.tables.Directory, pk: rotationRowPK(at), after: q.After, newest: true, columns: []string{attrSK}}
	if q.Direct {
		rows.filter.require(rows.filter.compare(attrPlace, "=", stringValue(at)))
	}
	items, next, err := s.page(ctx, rows, q.Limit, listing.ReadLimit)
	if err != nil || len(items) == 0 {
		return rotation.Page{Next: next}, err
	}
	keys, order := make([]key, len(items)), make(map[id.Rotation]int, len(items))
	for i, it := range items {
		r := id.Rotation(afterHash(sortKey(it)))
		keys[i], order[r] = rotationKey(r), i
	}
	rotations, err := many(ctx, s, s.tables.Directory, keys, decodeRotation)
	if err != nil {
		return rotation.Page{}, err
	}
	slices.SortFunc(rotations, func(a, b rotation.Rotation) int { return cmp.Compare(order[a.ID], order[b.ID]) })
	return rotation.Page{Rotations: rotations, Next: next}, nil
}
