package rotations

import (
	"fmt"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/keys"
	"github.com/rekey-dev/rekey/pkg/precondition"
	"github.com/rekey-dev/rekey/pkg/rotation"
)

// Rotation is a rotation as the API shows it.
type Rotation struct {
	ID               string                          `json:"id" example:"rot_7Hq2cXv9LmN4pQr8sT1w"`
	Mode             string                          `json:"mode" enum:"overlap,immediate,emergency,issue" doc:"issue: no rotation of a key, but the delivery of a new one's first secret"`
	State            string                          `json:"state" enum:"issued,delivered,seen,quiet,retired,cancelled,aborted,overdue"`
	OldKeyID         string                          `json:"old_key_id"`
	NewKeyID         string                          `json:"new_key_id" doc:"The same as old_key_id when immediate or issue"`
	ServiceAccountID string                          `json:"service_account_id"`
	NodeID           string                          `json:"node_id"`
	CompanyID        *string                         `json:"company_id"`
	PolicyID         *string                         `json:"policy_id" doc:"Whose terms it began under; null: the defaults"`
	StartedBy        string                          `json:"started_by" doc:"ID of the actor, or system"`
	StartedByName    string                          `json:"started_by_name"`
	Reason           string                          `json:"reason"`
	SuspectedSince   *string                         `json:"suspected_since" format:"date-time"`
	OverlapEndsAt    *string                         `json:"overlap_ends_at" format:"date-time" doc:"When the old key stops; null without an overlap"`
	Extended         bool                            `json:"extended"`
	DueAt            *string                         `json:"due_at" format:"date-time" doc:"When the policy's schedule wanted it; null when somebody asked for it"`
	HeldUpBy         []Block                         `json:"held_up_by" nullable:"false" doc:"What of the calendars held it up, at most the last 5; of an exception, in spite of what it was begun"`
	Exception        bool                            `json:"exception" doc:"Somebody began it at a time at which the calendars allow none"`
	Steps            []Step                          `json:"steps" nullable:"false" doc:"In the order in which they happened"`
	StillOnOld       []Source                        `json:"still_on_old" nullable:"false" doc:"Who used the old key after the new one was issued, last used first, at most 20: while an overlap is open, with GET /rotations/{id} alone. Who used it earlier in the same hour too may show up to an hour late"`
	Summary          string                          `json:"summary" doc:"Where it stands, in words"`
	Delivery         httpapi.Nullable[keys.Delivery] `json:"delivery" doc:"Where the new secret goes; null when it was shown"`
	Next             []string                        `json:"next" nullable:"false" enum:"complete,extend,cancel" doc:"What can be done with it"`
	CreatedAt        string                          `json:"created_at" format:"date-time"`
	UpdatedAt        string                          `json:"updated_at" format:"date-time"`
}

// Step is a state that was reached, and why.
type Step struct {
	State    string `json:"state"`
	At       string `json:"at" format:"date-time"`
	By       string `json:"by" doc:"ID of the actor, or system"`
	Evidence string `json:"evidence"`
}

// Block is a time in which a calendar allows no rotation.
type Block struct {
	CalendarID string  `json:"calendar_id"`
	Summary    string  `json:"summary"`
	From       string  `json:"from" format:"date-time"`
	To         *string `json:"to" format:"date-time" doc:"null: it never ends"`
}

// Source is who used the old key.
type Source struct {
	SourceIP  string `json:"source_ip" doc:"IPv4 address, or /64 network of an IPv6 address"`
	UserAgent string `json:"user_agent"`
	LastAt    string `json:"last_at" format:"date-time"`
	Count     int64  `json:"count" doc:"At least so many, in whole hours"`
}

// maxSources is the most senders that a rotation names.
const maxSources = 20

// OldKey is what becomes of the key that is rotated.
type OldKey struct {
	ID        string  `json:"id"`
	Prefix    string  `json:"prefix"`
	ExpiresAt *string `json:"expires_at" format:"date-time" doc:"When it stops; null when it has stopped already and had no end"`
}

// Of shows a rotation as it is at a moment.
func Of(v rotation.View, now time.Time) Rotation {
	r := v.Rotation
	out := Rotation{ID: string(r.ID), Mode: string(r.Mode), State: string(r.State), OldKeyID: string(r.OldKey), NewKeyID: string(r.NewKey),
		ServiceAccountID: string(r.AccountID), NodeID: string(r.Place.Node()), CompanyID: httpapi.Text(r.Place.Company), PolicyID: httpapi.Text(r.Terms.Policy),
		StartedBy: r.StartedBy, StartedByName: r.StartedByName, Reason: r.Reason, SuspectedSince: httpapi.Time(r.Suspected),
		OverlapEndsAt: httpapi.Time(r.OverlapEndsAt), Extended: r.Extended, Steps: []Step{}, StillOnOld: []Source{}, Summary: summary(v, now),
		DueAt: httpapi.Time(r.Planned.Due), HeldUpBy: []Block{}, Exception: r.Planned.InSpite(),
		Delivery: httpapi.NullableOf(keys.DeliveryOf(r.Delivery)),
		Next:     []string{}, CreatedAt: httpapi.TimeText(r.CreatedAt), UpdatedAt: httpapi.TimeText(r.UpdatedAt)}
	for _, b := range r.Planned.Blocks {
		out.HeldUpBy = append(out.HeldUpBy, Block{CalendarID: string(b.Calendar), Summary: b.Summary, From: httpapi.TimeText(b.From), To: httpapi.Time(b.To)})
	}
	for _, s := range r.Steps {
		out.Steps = append(out.Steps, Step{State: string(s.State), At: httpapi.TimeText(s.At), By: s.By, Evidence: s.Evidence})
	}
	for _, u := range v.StillOnOld[:min(len(v.StillOnOld), maxSources)] {
		out.StillOnOld = append(out.StillOnOld, Source{SourceIP: u.Source, UserAgent: u.UserAgent, LastAt: httpapi.TimeText(u.LastAt), Count: u.Count})
	}
	switch {
	case r.Over():
	case r.Awaits():
		if r.Mode == rotation.Overlap {
			out.Next = append(out.Next, "cancel")
		}
	default:
		out.Next = append(out.Next, "complete")
		if !r.Extended {
			out.Next = append(out.Next, "extend")
		}
		out.Next = append(out.Next, "cancel")
	}
	return out
}

// summary says where a rotation stands, for the one who has to act.
func summary(v rotation.View, now time.Time) string {
	r, old, next := v.Rotation, v.Old.Key, v.New.Key
	switch r.State {
	case rotation.Retired:
		if r.Mode == rotation.Immediate {
			return fmt.Sprintf("The secret of %s was replaced at %s; the one before stopped at once.", old.Prefix(), httpapi.TimeText(r.CreatedAt))
		}
		return fmt.Sprintf("%s has stopped; %s took over.", old.Prefix(), next.Prefix())
	case rotation.Cancelled:
		return fmt.Sprintf("Cancelled: %s was taken back, %s goes on.", next.Prefix(), old.Prefix())
	case rotation.Aborted:
		if r.OldKey == r.NewKey {
			return fmt.Sprintf("Aborted: %s.", r.Steps[len(r.Steps)-1].Evidence)
		}
		return fmt.Sprintf("Aborted: %s ended before %s did.", next.Prefix(), old.Prefix())
	}
	if r.Awaits() {
		to := r.Delivery.Target.SecretID
		if r.Delivery.Problem != "" {
			return fmt.Sprintf("The new secret could not be delivered to %s: %s", to, r.Delivery.Problem)
		}
		if r.Mode != rotation.Overlap {
			return fmt.Sprintf("The secret of %s is on its way to %s.", next.Prefix(), to)
		}
		return fmt.Sprintf("The new secret is on its way to %s; %s goes on until it is there.", to, old.Prefix())
	}
	if r.Mode != rotation.Overlap {
		return fmt.Sprintf("The secret of %s was delivered to %s at %s.", next.Prefix(), r.Delivery.Target.SecretID, httpapi.TimeText(r.Delivery.DoneAt))
	}
	if n := len(v.StillOnOld); n > 0 && r.State != rotation.Quiet {
		still := fmt.Sprintf("%s; it stops %s.", stillUse(n, old.Prefix()), httpapi.TimeText(r.OverlapEndsAt))
		if r.State == rotation.Seen {
			return fmt.Sprintf("%s is in use. %s", next.Prefix(), still)
		}
		return fmt.Sprintf("%s was never used yet. %s", next.Prefix(), still)
	}
	stops := fmt.Sprintf("%s stops %s.", old.Prefix(), httpapi.TimeText(r.OverlapEndsAt))
	used := "is not known to have been used since the new key was issued"
	if current := old.UsedGen == old.Generation; current && old.LastUsedAt.After(r.CreatedAt) {
		used = "was used last at " + httpapi.TimeText(old.LastUsedAt)
	}
	switch r.State {
	case rotation.Seen:
		return fmt.Sprintf("%s is in use. %s %s; %s", next.Prefix(), old.Prefix(), used, stops)
	case rotation.Quiet:
		return fmt.Sprintf("%s is in use and %s is quiet; %s", next.Prefix(), old.Prefix(), stops)
	}
	return fmt.Sprintf("%s was never used yet. %s %s; %s", next.Prefix(), old.Prefix(), used, stops)
}

func stillUse(sources int, prefix string) string {
	switch {
	case sources == 1:
		return "1 source still uses " + prefix
	case sources > maxSources:
		return fmt.Sprintf("More than %d sources still use %s", maxSources, prefix)
	}
	return fmt.Sprintf("%d sources still use %s", sources, prefix)
}

func oldKey(k apikey.Key) OldKey {
	return OldKey{ID: string(k.ID), Prefix: k.Prefix(), ExpiresAt: httpapi.Time(k.ExpiresAt)}
}

func tag(r rotation.Rotation) string { return precondition.Tag(string(r.ID), r.Version) }
