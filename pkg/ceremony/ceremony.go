// Package ceremony carries out the ceremonies of WebAuthn, with github.com/go-webauthn/webauthn: it makes the options that a browser
// is asked with, and checks what its authenticator answers. It keeps nothing and decides nothing about people.
//
// User verification and a discoverable credential are required in every ceremony, attestation is asked for in none. A signature
// counter that does not go up is a clone's, and refused.
package ceremony

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/rekey-dev/rekey/pkg/passkey"
)

// Ceremonies is passkey.Ceremonies. The zero value is ready.
type Ceremonies struct{}

var _ passkey.Ceremonies = Ceremonies{}

// at prepares the library for a site.
func at(s passkey.Site) (*webauthn.WebAuthn, error) {
	return webauthn.New(&webauthn.Config{RPID: s.RPID, RPDisplayName: s.Name, RPOrigins: s.Origins,
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired,
			RequireResidentKey: protocol.ResidentKeyRequired(), UserVerification: protocol.VerificationRequired}})
}

// user is an employee as the library sees one.
type user struct {
	passkey.User
	records []passkey.Record
}

func (u user) WebAuthnID() []byte          { return []byte(u.Handle) }
func (u user) WebAuthnName() string        { return u.Address }
func (u user) WebAuthnDisplayName() string { return u.Name }

func (u user) WebAuthnCredentials() []webauthn.Credential {
	out := make([]webauthn.Credential, 0, len(u.records))
	for _, r := range u.records {
		c := webauthn.Credential{ID: r.CredentialID, PublicKey: r.PublicKey, Flags: webauthn.NewCredentialFlags(protocol.AuthenticatorFlags(r.Flags)),
			Authenticator: webauthn.Authenticator{AAGUID: r.AAGUID, SignCount: r.SignCount}}
		for _, t := range r.Transports {
			c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
		}
		out = append(out, c)
	}
	return out
}

// here leaves out the passkeys of other domains: an authenticator could not answer for them.
func here(s passkey.Site, records []passkey.Record) []passkey.Record {
	return slices.DeleteFunc(slices.Clone(records), func(r passkey.Record) bool { return r.RPID != s.RPID })
}

// BeginEnrolment makes the options of a new passkey of a user who has others.
func (Ceremonies) BeginEnrolment(s passkey.Site, u passkey.User, has []passkey.Record) (passkey.Begun, error) {
	w, err := at(s)
	if err != nil {
		return passkey.Begun{}, err
	}
	who := user{u, here(s, has)}
	options, kept, err := w.BeginRegistration(who, webauthn.WithExclusions(webauthn.Credentials(who.WebAuthnCredentials()).CredentialDescriptors()))
	if err != nil {
		return passkey.Begun{}, err
	}
	return begun(options.Response, kept)
}

// FinishEnrolment checks the answer to the options of a new passkey.
func (Ceremonies) FinishEnrolment(s passkey.Site, u passkey.User, kept, answer []byte) (passkey.Record, error) {
	w, err := at(s)
	if err != nil {
		return passkey.Record{}, err
	}
	var session webauthn.SessionData
	if err := json.Unmarshal(kept, &session); err != nil {
		return passkey.Record{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return passkey.Record{}, refused(err)
	}
	c, err := w.CreateCredential(user{User: u}, session, parsed)
	if err != nil {
		return passkey.Record{}, refused(err)
	}
	if len(c.PublicKey) > MaxPublicKey || len(c.ID) > MaxCredentialID {
		return passkey.Record{}, fmt.Errorf("%w: a public key or ID that is too long", passkey.ErrRefused)
	}
	return record(s, c), nil
}

// BeginSignature makes the options of a signature: by one of the passkeys that are given, or, where none are, by whichever passkey
// of the site the authenticator has.
func (Ceremonies) BeginSignature(s passkey.Site, u passkey.User, has []passkey.Record) (passkey.Begun, error) {
	w, err := at(s)
	if err != nil {
		return passkey.Begun{}, err
	}
	var options *protocol.CredentialAssertion
	var kept *webauthn.SessionData
	if has == nil {
		options, kept, err = w.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	} else {
		options, kept, err = w.BeginLogin(user{u, here(s, has)}, webauthn.WithUserVerification(protocol.VerificationRequired))
	}
	if err != nil {
		return passkey.Begun{}, err
	}
	return begun(options.Response, kept)
}

// Signer reads from an answer, without checking it, who says to have signed and with which passkey.
func (Ceremonies) Signer(answer []byte) (handle string, credentialID []byte, err error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return "", nil, refused(err)
	}
	return string(parsed.Response.UserHandle), parsed.RawID, nil
}

// FinishSignature checks the answer to the options of a signature, and returns the passkey of those given that signed, as it is now.
func (Ceremonies) FinishSignature(s passkey.Site, u passkey.User, has []passkey.Record, kept, answer []byte) (passkey.Record, error) {
	w, err := at(s)
	if err != nil {
		return passkey.Record{}, err
	}
	var session webauthn.SessionData
	if err := json.Unmarshal(kept, &session); err != nil {
		return passkey.Record{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return passkey.Record{}, refused(err)
	}
	who := user{u, here(s, has)}
	var c *webauthn.Credential
	if len(session.UserID) == 0 {
		_, c, err = w.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return who, nil }, session, parsed)
	} else {
		c, err = w.ValidateLogin(who, session, parsed)
	}
	if err != nil {
		return passkey.Record{}, refused(err)
	}
	if c.Authenticator.CloneWarning {
		return passkey.Record{}, passkey.ErrCloned
	}
	i := slices.IndexFunc(who.records, func(r passkey.Record) bool { return bytes.Equal(r.CredentialID, c.ID) })
	if i < 0 {
		return passkey.Record{}, passkey.ErrRefused
	}
	out := who.records[i]
	out.SignCount, out.Flags = c.Authenticator.SignCount, byte(c.Flags.ProtocolValue())
	return out, nil
}

func begun(options any, kept *webauthn.SessionData) (out passkey.Begun, err error) {
	if out.Options, err = json.Marshal(options); err != nil {
		return passkey.Begun{}, err
	}
	out.Kept, err = json.Marshal(kept)
	return out, err
}

func record(s passkey.Site, c *webauthn.Credential) passkey.Record {
	out := passkey.Record{RPID: s.RPID, CredentialID: c.ID, PublicKey: c.PublicKey, Algorithm: algorithm(c.PublicKey),
		AAGUID: c.Authenticator.AAGUID, SignCount: c.Authenticator.SignCount, Flags: byte(c.Flags.ProtocolValue())}
	for _, t := range transports { // whatever else a browser says is nobody's business
		if slices.Contains(c.Transport, t) {
			out.Transports = append(out.Transports, string(t))
		}
	}
	return out
}

// transports are those of WebAuthn Level 3, section 5.8.4.
var transports = []protocol.AuthenticatorTransport{protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal}

// MaxCredentialID is the most bytes of the ID that an authenticator gives its passkey: WebAuthn Level 3, section 5.8.1.
const MaxCredentialID = 1023

// MaxPublicKey is the most bytes of a public key that is kept: an RSA key of 4,096 bits takes half of it.
const MaxPublicKey = 1200

// algorithm is the name of a public key's algorithm in the registry of COSE.
func algorithm(key []byte) string {
	parsed, err := webauthncose.ParsePublicKey(key)
	if err != nil {
		return ""
	}
	var number int64
	switch k := parsed.(type) {
	case webauthncose.OKPPublicKeyData:
		number = k.Algorithm
	case webauthncose.EC2PublicKeyData:
		number = k.Algorithm
	case webauthncose.RSAPublicKeyData:
		number = k.Algorithm
	}
	return webauthncose.COSEAlgorithmIdentifier(number).String()
}

// refused keeps what the library says for the log; callers are told nothing of it.
func refused(err error) error {
	var e *protocol.Error
	if errors.As(err, &e) {
		return fmt.Errorf("%w: %s: %s", passkey.ErrRefused, e.Details, e.DevInfo)
	}
	return fmt.Errorf("%w: %w", passkey.ErrRefused, err)
}
