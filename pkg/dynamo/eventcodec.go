package dynamo

import (
	"encoding/json"
	"fmt"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
)

// recordEvent returns the actions that put an audit record and its row at each place that covers it.
func (v *Verifier) recordEvent(e audit.Event) ([]action, error) {
	record, err := encodeEvent(e)
	if err != nil {
		return nil, err
	}
	actions := []action{create(v.tables.Audit, eventKey(e.ID), record, nil, "the audit record is there already")}
	for _, p := range e.Place.Ancestors() {
		k := eventRowKey(p, e.At, e.ID)
		actions = append(actions, create(v.tables.Audit, k, encodeEventRow(k, e), nil, "the audit record's row is there already"))
	}
	return actions, nil
}

func encodeEvent(e audit.Event) (item, error) {
	it := newItem(eventKey(e.ID), typeEvent)
	it.int(attrSeq, e.Seq)
	it.time(attrAt, e.At)
	it.string(attrAction, e.Action)
	it.string(attrActorType, string(e.Actor.Type))
	it.string(attrActorID, e.Actor.ID)
	it.string(attrActorName, e.Actor.Name)
	it.string(attrActorKey, e.Actor.KeyID)
	it.string(attrActorPrefix, e.Actor.KeyPrefix)
	it.string(attrAssumedCompany, string(e.Actor.AssumedCompany))
	it.string(attrTargetType, e.Target.Type)
	it.string(attrTargetID, e.Target.ID)
	it.string(attrTargetName, e.Target.Name)
	it.place(e.Place)
	it.string(attrSourceIP, e.SourceIP)
	it.string(attrUserAgent, e.UserAgent)
	it.string(attrRequestID, e.RequestID)
	it.string(attrOutcome, string(e.Outcome))
	it.string(attrOperation, string(e.Operation))
	if e.Details != nil {
		details, err := json.Marshal(e.Details)
		if err != nil {
			return nil, fmt.Errorf("details of the audit record: %w", err)
		}
		it.string(attrDetails, string(details))
	}
	return it, nil
}

func decodeEvent(it item) (audit.Event, error) {
	r := reader{it: it}
	e := audit.Event{
		ID: id.Event(r.string(attrPK)), Seq: r.int(attrSeq), At: r.time(attrAt), Action: r.string(attrAction),
		Actor: audit.Actor{Type: audit.ActorType(r.string(attrActorType)), ID: r.string(attrActorID), Name: r.string(attrActorName),
			KeyID: r.string(attrActorKey), KeyPrefix: r.string(attrActorPrefix), AssumedCompany: id.Company(r.string(attrAssumedCompany))},
		Target: audit.Target{Type: r.string(attrTargetType), ID: r.string(attrTargetID), Name: r.string(attrTargetName)},
		Place:  r.place(), SourceIP: r.string(attrSourceIP), UserAgent: r.string(attrUserAgent), RequestID: r.string(attrRequestID),
		Outcome: audit.Outcome(r.string(attrOutcome)), Operation: id.Operation(r.string(attrOperation)),
	}
	if details := r.string(attrDetails); details != "" && r.err == nil {
		if err := json.Unmarshal([]byte(details), &e.Details); err != nil {
			return audit.Event{}, fmt.Errorf("details of %s: %w", e.ID, err)
		}
	}
	return e, r.err
}

// encodeEventRow holds what a page of the audit log is filtered by, so that only what matches is read.
func encodeEventRow(k key, e audit.Event) item {
	it := newItem(k, typeEventRow)
	it.string(attrPlace, e.Place.ID())
	it.string(attrActorType, string(e.Actor.Type))
	it.string(attrActorID, e.Actor.ID)
	it.string(attrActorKey, e.Actor.KeyID)
	it.string(attrTargetID, e.Target.ID)
	it.string(attrAction, e.Action)
	it.string(attrRequestID, e.RequestID)
	it.string(attrOutcome, string(e.Outcome))
	if account, ok := e.Details["service_account_id"].(string); ok {
		it.string(attrAccount, account) // of the key that the record is about
	}
	return it
}
