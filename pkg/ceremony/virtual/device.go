// Package virtual is an authenticator without hardware, for tests: it enrols one passkey and signs with it, over
// github.com/descope/virtualwebauthn. What it should not do, it does when it is told to.
package virtual

import (
	"encoding/json"

	"github.com/descope/virtualwebauthn"
)

// Device holds one passkey. Its fields are set before each use.
type Device struct {
	Origin string // of the page that asks
	RPID   string // for which it answers; "" for that of the options
	// Unverified says that nobody proved to be the device's owner.
	Unverified bool
	Handle     string // of the user it is for; set by Enrol

	credential virtualwebauthn.Credential
}

// New makes a device that answers for a page.
func New(origin string) *Device {
	c := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	for len(c.Key.AttestationData()) != coseKeySize { // the library leaves out leading zeros of the coordinates, about one time in 128
		c = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	return &Device{Origin: origin, credential: c}
}

// coseKeySize is that of a COSE_Key of P-256 with both coordinates of 32 bytes.
const coseKeySize = 77

func (d *Device) parts(rpID string) (virtualwebauthn.RelyingParty, virtualwebauthn.Authenticator) {
	if d.RPID != "" {
		rpID = d.RPID
	}
	return virtualwebauthn.RelyingParty{ID: rpID, Origin: d.Origin},
		virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(d.Handle), UserNotVerified: d.Unverified})
}

// Enrol answers the options of a new passkey.
func (d *Device) Enrol(options json.RawMessage) (json.RawMessage, error) {
	o, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		return nil, err
	}
	d.Handle = o.UserID
	rp, a := d.parts(o.RelyingPartyID)
	return json.RawMessage(virtualwebauthn.CreateAttestationResponse(rp, a, d.credential, *o)), nil
}

// Sign answers the options of a signature, and counts it.
func (d *Device) Sign(options json.RawMessage) (json.RawMessage, error) {
	o, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		return nil, err
	}
	d.credential.Counter++
	rp, a := d.parts(o.RelyingPartyID)
	return json.RawMessage(virtualwebauthn.CreateAssertionResponse(rp, a, d.credential, *o)), nil
}

// Clone is a copy of the device that counts by itself from here.
func (d *Device) Clone() *Device {
	c := *d
	return &c
}

// CredentialID is the passkey's own.
func (d *Device) CredentialID() []byte { return d.credential.ID }
