// Command dispatcher announces audit records on the event bus. It is invoked with batches of the Audit table's stream, which
// only lets new records through, and answers with the first record that has to be tried again.
//
//	BUS_NAME               the event bus's name or ARN
//	DEAD_LETTER_QUEUE_URL  the queue of what no bus will ever take
package main

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/bus"
	"github.com/rekey-dev/rekey/pkg/dispatch"
	"github.com/rekey-dev/rekey/pkg/dynamo"
)

func main() { boot.Main(newHandler) }

type handler = func(context.Context, dispatch.Batch) (dispatch.Answer, error)

func newHandler(ctx context.Context, lookup boot.Lookup) (handler, error) {
	env := boot.Read(lookup)
	d := &dispatch.Dispatcher{
		Decode:      dynamo.EventOfImage,
		Bus:         bus.New(env.AWS(), env.Text("BUS_NAME")),
		DeadLetters: bus.NewQueue(env.AWS(), env.Text("DEAD_LETTER_QUEUE_URL")),
		Now:         time.Now,
		Log:         env.Logger(),
		Metrics:     env.Metrics(),
	}
	return d.Handle, env.Ready(ctx)
}
