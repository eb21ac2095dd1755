package dispatch

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
)

// SchemaVersion is the version of the details: members are added without a change of it, none is renamed or dropped.
const SchemaVersion = 1

// Detail is what every event carries.
type Detail struct {
	SchemaVersion int     `json:"schema_version"`
	EventID       string  `json:"event_id"`    // of the audit record; the same in every repeat
	Sequence      int64   `json:"sequence"`    // the target's records count from 1 without gaps
	OccurredAt    string  `json:"occurred_at"` // RFC 3339, UTC, to the millisecond
	Action        string  `json:"action"`
	Actor         Actor   `json:"actor"`
	Target        Target  `json:"target"`
	RootNodeID    string  `json:"root_node_id"` // the provider's node, above all others
	NodeID        string  `json:"node_id"`
	CompanyID     *string `json:"company_id"`
	RequestID     string  `json:"request_id,omitempty"`
	// Data has those of the record's details that are identifiers, prefixes, numbers, times or words.
	Data map[string]any `json:"data"`
}

// Actor is who did it.
type Actor struct {
	Type  audit.ActorType `json:"type"`
	ID    string          `json:"id"`
	KeyID string          `json:"key_id,omitempty"`
}

// Target is what it was done to.
type Target struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// detail writes the detail of a record's event. What the record quotes of people is left out: names, notes, user agents.
func detail(e audit.Event) string {
	d := Detail{SchemaVersion: SchemaVersion, EventID: string(e.ID), Sequence: e.Seq,
		OccurredAt: e.At.UTC().Format("2006-01-02T15:04:05.000Z"), Action: e.Action,
		Actor:  Actor{e.Actor.Type, e.Actor.ID, e.Actor.KeyID},
		Target: Target{e.Target.Type, e.Target.ID}, NodeID: string(e.Place.Node()), Data: map[string]any{}}
	if nodes := e.Place.Nodes(); len(nodes) > 0 {
		d.RootNodeID = string(nodes[0])
	}
	if e.Place.Company != "" {
		company := string(e.Place.Company)
		d.CompanyID = &company
	}
	if requestID.MatchString(e.RequestID) {
		d.RequestID = e.RequestID
	}
	for name, value := range e.Details {
		if allowed, ok := details[name]; ok && allowed(value) {
			d.Data[name] = value
		}
	}
	b, err := json.Marshal(d)
	if err != nil {
		panic("dispatch: a detail is not JSON: " + err.Error())
	}
	return string(b)
}

// A secret has 74 characters, capitals among them: none of these forms can hold one.
var (
	requestID  = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)
	identifier = regexp.MustCompile(`^[a-z]{2,4}_[0-9A-Za-z]{20}$`)
	prefix     = regexp.MustCompile(`^rk[a-z]_[0-9A-Za-z]{4}$`)
	duration   = regexp.MustCompile(`^P[0-9DTHMS]{1,20}$`)
	aWord      = regexp.MustCompile(`^[a-z0-9_.:-]{1,40}$`)
)

// details are the members of a record's details that an event may carry, each with the form that it must have.
var details = map[string]func(any) bool{
	"change":             text(aWord),
	"key_id":             text(identifier),
	"service_account_id": text(identifier),
	"key_prefix":         text(prefix),
	"generation":         number,
	"scopes":             words,
	"reason":             text(aWord),
	"unlocked":           truth,
	"principal_status":   text(aWord),
	"keys_stopped":       number,
	"failures":           number,
	"threshold":          number,
	"effect":             text(aWord),
	"locked_until":       moment,
	"was_locked":         truth,
	"source_ip":          address,
	"status":             text(aWord),
	"state":              text(aWord),
	"mode":               text(aWord),
	"old_key_id":         text(identifier),
	"new_key_id":         text(identifier),
	"overlap_ends_at":    moment,
	"expires_at":         moment,
	"last_used_at":       moment,
	"rotate_at":          moment,
	"due_at":             moment,
	"notice":             text(duration),
}

func text(form *regexp.Regexp) func(any) bool {
	return func(v any) bool {
		s, ok := v.(string)
		return ok && form.MatchString(s)
	}
}

func number(v any) bool {
	_, ok := v.(float64)
	return ok
}

func truth(v any) bool {
	_, ok := v.(bool)
	return ok
}

func moment(v any) bool {
	s, _ := v.(string)
	_, err := time.Parse(time.RFC3339, s)
	return err == nil
}

func words(v any) bool {
	list, ok := v.([]any)
	for _, w := range list {
		ok = ok && text(aWord)(w)
	}
	return ok
}

// address accepts the forms under which sources are counted: an IPv4 address or an IPv6 network.
func address(v any) bool {
	s, _ := v.(string)
	if s == "unknown" {
		return true
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	_, err := netip.ParsePrefix(s)
	return err == nil
}
