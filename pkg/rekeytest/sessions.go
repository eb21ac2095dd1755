package rekeytest

import (
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/ceremony/virtual"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Site is where people sign in.
var Site = passkey.Site{RPID: "keys.example.org", Name: "rekey", Origins: []string{"https://keys.example.org"}}

// Guest is a call that nobody is signed in for.
func (w *World) Guest() call.Call {
	return call.Call{Request: audit.Request{ID: "req-guest", SourceIP: "192.0.2.201", UserAgent: "browser/1"}, Route: "POST /of/a/guest", Domain: Site.RPID}
}

// Code makes a one-time code of an employee.
func (w *World) Code(e id.Employee, purpose onetime.Purpose) token.Secret {
	w.T.Helper()
	old, err := w.Mem.Employee(w.Ctx, e)
	require.NoError(w.T, err)
	m, err := w.Codes.New(w.Ctx, e, purpose, "", nil)
	require.NoError(w.T, err)
	m.Code.Epoch = old.SessionEpoch
	next := old
	if purpose != onetime.Passkey {
		next.Code, next.CodeExpiresAt = m.Code.ID, m.Code.ExpiresAt
	}
	next.Revision++
	next.EventSeq++
	w.Commit(w.Happened("employee", string(e), old.Place, next.EventSeq), onetime.Create{Code: m.Code}, employee.Update{Old: old, New: next})
	w.Note(m.Secret)
	return m.Secret
}

// Enrol gives a person one more passkey, on a new device.
func (w *World) Enrol(p *Person) *virtual.Device {
	w.T.Helper()
	d := virtual.New(Site.Origins[0])
	code := w.Code(p.Employee.ID, onetime.Passkey)
	begun, err := w.Passkeys.BeginWithCode(w.Ctx, Site, code)
	require.NoError(w.T, err)
	answer, err := d.Enrol(begun.Options)
	require.NoError(w.T, err)
	_, err = w.Passkeys.FinishWithCode(w.Ctx, w.Guest(), Site, code, passkey.Answer{Challenge: begun.Challenge.ID, Attestation: answer,
		Name: "device " + string(begun.Challenge.ID)[4:]})
	require.NoError(w.T, err)
	return d
}

// SignsIn opens a session with a device.
func (w *World) SignsIn(d *virtual.Device) token.Secret {
	w.T.Helper()
	begun, err := w.SignIn.Begin(w.Ctx, Site)
	require.NoError(w.T, err)
	answer, err := d.Sign(begun.Options)
	require.NoError(w.T, err)
	opened, err := w.SignIn.Finish(w.Ctx, w.Guest(), Site, begun.Challenge.ID, answer)
	require.NoError(w.T, err)
	w.Note(opened.Secret)
	return opened.Secret
}

// Inside opens a session inside a company for whoever a secret is of.
func (w *World) Inside(s token.Secret, at place.Place) token.Secret {
	w.T.Helper()
	opened, err := w.SignIn.Assume(w.Ctx, w.With(s), at.Company, "ticket 7")
	require.NoError(w.T, err)
	w.Note(opened.Secret)
	return opened.Secret
}
