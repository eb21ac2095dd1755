// Command notifier tells people by e-mail what they have to act on. A rule of the event bus invokes it with the events that
// people are told of, and a schedule every five minutes to send what waits.
//
//	IDENTITY_TABLE   keys, accounts, companies, employees: read
//	DIRECTORY_TABLE  policies, rotations, nodes: read
//	AUDIT_TABLE      the records that events name: read
//	TRANSIENT_TABLE  what waits to be sent
//	MAIL_SENDER      the address that mail comes from, verified in Amazon SES
//	HOLD             true after a restore: nothing is sent
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/dispatch"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mail"
	"github.com/rekey-dev/rekey/pkg/notice"
	"github.com/rekey-dev/rekey/pkg/telemetry"
)

func main() { boot.Main(newHandler) }

// event is what EventBridge invokes with: an event of the bus, or that of the schedule.
type event struct {
	Source string `json:"source"`
	Detail struct {
		EventID id.Event `json:"event_id"`
	} `json:"detail"`
}

type handler = func(context.Context, event) (notice.Run, error)

func newHandler(ctx context.Context, lookup boot.Lookup) (handler, error) {
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Directory, boot.Audit, boot.Transient)
	log, metrics := env.Logger(), env.Metrics()
	s := &notice.Service{Store: store, Keys: &apikey.Service{Store: store, Fold: fold.Name, Now: time.Now, Rand: rand.Reader},
		Mail: mail.New(env.AWS(), env.Text("MAIL_SENDER")), Hold: env.Hold(), Now: time.Now, Rand: rand.Reader, Log: log}
	return func(ctx context.Context, e event) (notice.Run, error) {
		if e.Source == dispatch.Source {
			_, err := s.Hear(ctx, e.Detail.EventID)
			return notice.Run{}, err
		}
		r, err := s.Send(ctx)
		if err != nil { // the next run looks again: an invocation that fails would be repeated, and put on the dead-letter queue
			log.Error("this run could not look at everybody", "error", err)
			metrics.Count(telemetry.MailHeld, 1)
		}
		metrics.Count(telemetry.MailSent, r.Sent)
		metrics.Count(telemetry.MailHeld, r.Held)
		metrics.Count(telemetry.MailSetAside, r.SetAside)
		metrics.Count(telemetry.MailWaiting, int(r.Oldest.Milliseconds()))
		metrics.Done()
		return r, nil
	}, env.Ready(ctx)
}
