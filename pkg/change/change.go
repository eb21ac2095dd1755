// Package change is the unit in which rekey's state changes: the writes, their audit records and the idempotency record
// are committed together or not at all.
package change

import (
	"errors"
	"fmt"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
)

// Write is one change of one object. The packages of the objects define them; a store that does not know one fails.
// Every write is conditional on what it was made from.
type Write interface{ Write() }

// Set is one atomic change. Its Operation makes it safe to commit again after an unknown outcome: the same Set takes effect
// once.
type Set struct {
	Operation   id.Operation
	At          time.Time
	Events      []audit.Event // at least one: no change without a record
	Idempotency *idempotency.Record
	Writes      []Write
}

// ErrLost says that something the Set was made from has changed meanwhile, or exists where it must not. Nothing was
// written. Reading anew and trying again is safe.
var ErrLost = errors.New("change: lost a race")

// Lost is ErrLost with the write whose condition failed, so that a domain can say what stood in the way.
type Lost struct {
	Write  Write  // nil when it was an audit record
	Reason string // which condition, in the store's words; for logs
}

func (l *Lost) Error() string        { return fmt.Sprintf("change: lost a race: %T: %s", l.Write, l.Reason) }
func (l *Lost) Is(target error) bool { return target == ErrLost }

// Repeated says that the idempotency record of the Set is there already: an equal call won. Nothing was written.
type Repeated struct{ Winner idempotency.Record }

func (*Repeated) Error() string { return "change: an equal call was carried out before" }

// Settle turns a store's answer into an operation's: an equal call that was first is answered with its answer.
func Settle(err error, p *idempotency.Pending) error {
	var repeated *Repeated
	if errors.As(err, &repeated) && p != nil {
		return idempotency.Answer(repeated.Winner, p.Fingerprint)
	}
	return err
}

// attempts is how often Retry tries. Of calls that race in step one wins each time, so as many as this may change one object,
// or repeat one call, at once.
const attempts = 32

// Retry runs one attempt of a use case, which reads and then commits, again for as long as it loses races; after 32 it is
// unavailable, and safe to call again. With an error it returns the zero T: a secret never leaves beside one.
func Retry[T any](attempt func() (T, error)) (T, error) {
	var none T
	var err error
	for range attempts {
		var out T
		if out, err = attempt(); err == nil {
			return out, nil
		}
		if !errors.Is(err, ErrLost) {
			return none, err
		}
	}
	return none, &fault.Error{Kind: fault.Unavailable, RetryAfter: time.Second, Cause: err,
		Detail: "Others are changing the same object. Try again shortly."}
}

// Check refuses a Set without records, or with incomplete ones.
func (s Set) Check() error {
	if s.Operation == "" || s.At.IsZero() || len(s.Events) == 0 {
		return errors.New("change: no operation, time or audit record")
	}
	for _, e := range s.Events {
		if err := e.Check(); err != nil {
			return fmt.Errorf("%w: %s", err, e.Action)
		}
		if e.Operation != s.Operation {
			return errors.New("change: an audit record of another operation")
		}
	}
	return nil
}
