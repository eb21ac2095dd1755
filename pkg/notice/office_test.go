package notice_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/dispatch"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/notice"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/sweep"
)

const day = 24 * time.Hour

// office is a world whose events are heard and whose letters are kept.
type office struct {
	*rekeytest.World
	t     *testing.T
	heard map[id.Event]bool
	log   bytes.Buffer

	mu    sync.Mutex
	inbox []posted
	tries int
	fails func(l notice.Letter) error // nil: every letter goes
}

type posted struct {
	notice.Letter
	at time.Time
}

func newOffice(t *testing.T) *office {
	return &office{World: rekeytest.New(t), t: t, heard: map[id.Event]bool{}}
}

func (o *office) Send(_ context.Context, l notice.Letter) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tries++
	if o.fails != nil {
		if err := o.fails(l); err != nil {
			return "", err
		}
	}
	o.inbox = append(o.inbox, posted{l, o.Now()})
	return fmt.Sprint("message-", len(o.inbox)), nil
}

var errDown = fault.Down(errors.New("the mail service does not answer"))

func (o *office) service() *notice.Service {
	return &notice.Service{Store: o.Store, Keys: o.Keys, Mail: o, Now: o.Now, Rand: o.Rand, Log: slog.New(slog.NewTextHandler(&lockedLog{o: o}, nil))}
}

type lockedLog struct{ o *office }

func (l *lockedLog) Write(b []byte) (int, error) {
	l.o.mu.Lock()
	defer l.o.mu.Unlock()
	return l.o.log.Write(b)
}

// account makes one with contacts.
func (o *office) account(name string, at place.Place, contacts ...string) serviceaccount.Account {
	o.t.Helper()
	a := o.Account(name, at)
	o.contacts(a.ID, contacts...)
	return o.ReadAccount(a.ID)
}

func (o *office) contacts(a id.ServiceAccount, contacts ...string) {
	o.t.Helper()
	_, err := o.Accounts.Patch(o.Ctx, o.As(o.Owner), a, serviceaccount.Patch{Contacts: &contacts})
	require.NoError(o.t, err)
}

func (o *office) sweep() {
	o.t.Helper()
	s := &sweep.Sweeper{Store: o.Mem, Keys: &apikey.Service{Store: o.Mem, Mint: o.Mint, Now: o.Now, Rand: o.Rand, Fold: strings.ToLower},
		Terms: rotation.Under(o.Mem), Shards: 1, Now: o.Now, Rand: o.Rand, Log: slog.New(slog.DiscardHandler)}
	s.Rotations = &rotation.Service{Store: o.Mem, Keys: s.Keys.(*apikey.Service), Mint: o.Mint, Terms: s.Terms, Courier: o.Rotations.Courier, Now: o.Now, Rand: o.Rand}
	_, err := s.Sweep(o.Ctx, "run")
	require.NoError(o.t, err)
}

// announced are the events that are on the bus and were not heard, newest first: the bus keeps no order.
func (o *office) announced() (out []id.Event) {
	for _, e := range o.Mem.Events() {
		if detailType, _ := dispatch.DetailType(e); detailType != "" && !o.heard[e.ID] {
			out = append([]id.Event{e.ID}, out...)
		}
	}
	return out
}

func (o *office) hear() {
	o.t.Helper()
	for _, e := range o.announced() {
		_, err := o.service().Hear(o.Ctx, e)
		require.NoError(o.t, err)
		o.heard[e] = true
	}
}

// announce lets a minute pass, and what is due then be announced and heard.
func (o *office) announce() {
	o.t.Helper()
	o.Advance(time.Minute)
	o.sweep()
	o.hear()
}

func (o *office) send() notice.Run {
	o.t.Helper()
	r, err := o.service().Send(o.Ctx)
	require.NoError(o.t, err)
	return r
}

// letters returns what came since the last call.
func (o *office) letters() []posted {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := o.inbox
	o.inbox = nil
	return out
}

// pass lets time pass as the deployment does: the sweeper and the schedule run, events are heard.
func (o *office) pass(d, step time.Duration) []posted {
	o.t.Helper()
	for end := o.Now().Add(d); o.Now().Before(end); o.Advance(step) {
		o.sweep()
		o.hear()
		o.send()
	}
	return o.letters()
}

// records are those of an action, oldest first.
func (o *office) records(action string) []audit.Event { return o.Records(action) }

func (o *office) commit(a serviceaccount.Account, seq int64, w change.Write) {
	o.t.Helper()
	op := id.New[id.Operation](o.Rand)
	require.NoError(o.t, o.Mem.Commit(o.Ctx, change.Set{Operation: op, At: o.Now(), Writes: []change.Write{w}, Events: []audit.Event{{
		ID: id.New[id.Event](o.Rand), Seq: seq, At: o.Now(), Action: audit.ServiceAccountUpdated, Actor: audit.Actor{Type: audit.System, ID: "system"},
		Target: audit.Target{Type: "service_account", ID: string(a.ID)}, Place: a.Place, Outcome: audit.OK, Operation: op}}}))
}
