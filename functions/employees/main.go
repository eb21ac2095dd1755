// Command employees serves the human users of the MSP:
//
//	GET, POST          /v1/employees
//	GET, PATCH, DELETE /v1/employees/{id}
//	POST               /v1/employees/{id}/resend-invitation, /revoke-invitation, /reset-second-factor
//
// Its settings are IDENTITY_TABLE, DIRECTORY_TABLE, AUDIT_TABLE, TRANSIENT_TABLE, PEPPERS_SECRET and CURSOR_SECRET; MAIL_SENDER, the
// address that mail comes from, without which nobody is invited; and PORTAL_URL, where codes are entered, if there is such a place.
package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/rekey-dev/rekey/pkg/billing"
	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/employees"
	"github.com/rekey-dev/rekey/pkg/mail"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/page"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/staff"
)

func main() { boot.Main(newHandler) }

func newHandler(ctx context.Context, lookup boot.Lookup) (httpapi.Handler, error) {
	packages, err := billing.Read()
	if err != nil {
		return nil, err
	}
	env := boot.Read(lookup)
	store := env.Store(fold.Name, boot.Identity, boot.Directory, boot.Audit, boot.Transient)
	codes := &onetime.Service{Store: store, Mint: &mint.Mint{Peppers: env.Peppers(), Rand: rand.Reader}, Now: time.Now, Rand: rand.Reader}
	service := &staff.Service{Store: store, Codes: codes, Portal: env.OptionalText("PORTAL_URL"), Seats: packages.Seats, Passkeys: passkey.Ends(store), Now: time.Now, Rand: rand.Reader,
		Log: env.Logger()}
	if sender := env.OptionalText("MAIL_SENDER"); sender != "" {
		service.Mail = mail.New(env.AWS(), sender)
	}
	api := httpapi.New(httpapi.Settings{Now: time.Now, Rand: rand.Reader, Log: env.Logger(),
		Cursors: &page.Sealer{Keys: env.CursorKeys(), Now: time.Now, Rand: rand.Reader}, Idempotency: store.Idempotency})
	employees.Register(api, service)
	return api.Handle, env.Ready(ctx)
}
