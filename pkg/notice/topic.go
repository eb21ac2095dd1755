package notice

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mailbox"
)

// Soon is how near an end has to be so that it does not wait for the next day's message.
const Soon = 48 * time.Hour

// inUse is how lately a key was used that counts as in use.
const inUse = 24 * time.Hour

// topic is what an audit record tells people; the zero topic for nothing.
type topic struct {
	kind     mailbox.Kind
	account  id.ServiceAccount
	key      id.Key
	rotation id.Rotation
	urgent   bool
	note     string
}

// topicOf tells what a record is about. What somebody did on purpose is no failure: who cancels, forces or completes knows it.
func topicOf(e audit.Event) topic {
	text := func(name string) string {
		s, _ := e.Details[name].(string)
		return s
	}
	moment := func(name string) time.Time {
		t, err := time.Parse(time.RFC3339, text(name))
		if err != nil {
			return time.Time{}
		}
		return t
	}
	if e.Outcome != audit.OK {
		return topic{}
	}
	t := topic{account: id.ServiceAccount(text("service_account_id")), key: id.Key(e.Target.ID)}
	if e.Target.Type == "rotation" {
		t.key, t.rotation, t.note, t.urgent = id.Key(text("old_key_id")), id.Rotation(e.Target.ID), text("evidence"), true
	}
	bySystem := e.Actor.Type == audit.System
	switch {
	case e.Action == audit.KeyExpiring && text("reason") == "rotation_due":
		t.kind, t.note = mailbox.RotationDue, text("problem")
		t.urgent = t.note != ""
	case e.Action == audit.KeyExpiring && text("reason") == "rotation_overdue":
		t.kind, t.note, t.urgent = mailbox.NotRotated, text("problem"), true
	case e.Action == audit.KeyExpiring:
		end := moment("expires_at")
		t.kind, t.urgent = mailbox.Ending, !end.IsZero() && end.Sub(e.At) <= Soon
	case e.Action == audit.UserUpdated && text("change") == audit.KeyExpired:
		used := moment("last_used_at")
		if used.IsZero() || !used.After(moment("expires_at").Add(-inUse)) {
			return topic{}
		}
		t.kind, t.urgent = mailbox.EndedInUse, true
	case e.Action == audit.RotationOverdue:
		t.kind = mailbox.Overdue
	case e.Action == audit.RotationAborted && bySystem:
		t.kind = mailbox.Aborted
	case e.Action == audit.RotationExtended && bySystem:
		t.kind = mailbox.Extended
	default:
		return topic{}
	}
	return t
}
