package ceremony_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/ceremony"
	"github.com/rekey-dev/rekey/pkg/ceremony/virtual"
	"github.com/rekey-dev/rekey/pkg/passkey"
)

const origin = "https://keys.example.org"

var (
	site  = passkey.Site{RPID: "keys.example.org", Name: "rekey", Origins: []string{origin}}
	ada   = passkey.User{Handle: "emp_00000000000000000001", Address: "ada@example.org", Name: "Ada Lovelace"}
	grace = passkey.User{Handle: "emp_00000000000000000002", Address: "grace@example.org", Name: "Grace Hopper"}
	c     ceremony.Ceremonies
)

func enrol(t *testing.T, d *virtual.Device, u passkey.User) passkey.Record {
	t.Helper()
	begun, err := c.BeginEnrolment(site, u, nil)
	require.NoError(t, err)
	answer, err := d.Enrol(begun.Options)
	require.NoError(t, err)
	r, err := c.FinishEnrolment(site, u, begun.Kept, answer)
	require.NoError(t, err)
	return r
}

func sign(t *testing.T, d *virtual.Device, u passkey.User, has []passkey.Record) (passkey.Record, error) {
	t.Helper()
	begun, err := c.BeginSignature(site, passkey.User{}, nil)
	require.NoError(t, err)
	answer, err := d.Sign(begun.Options)
	require.NoError(t, err)
	handle, id, err := c.Signer(answer)
	require.NoError(t, err)
	require.Equal(t, d.Handle, handle)
	require.Equal(t, d.CredentialID(), id)
	return c.FinishSignature(site, u, has, begun.Kept, answer)
}

func TestEnrolment_GivesAPasskeyThatSigns_F6(t *testing.T) {
	d := virtual.New(origin)
	r := enrol(t, d, ada)
	require.Equal(t, d.CredentialID(), r.CredentialID)
	require.Equal(t, "keys.example.org", r.RPID)
	require.Equal(t, "ES256", r.Algorithm)
	require.NotEmpty(t, r.PublicKey)
	require.Zero(t, r.SignCount)
	for want := uint32(1); want < 4; want++ {
		var err error
		r, err = sign(t, d, ada, []passkey.Record{r})
		require.NoError(t, err)
		require.Equal(t, want, r.SignCount)
	}
}

func TestOptions_WantVerificationADiscoverablePasskeyAndNoAttestation_F6(t *testing.T) {
	has := enrol(t, virtual.New(origin), ada)
	begun, err := c.BeginEnrolment(site, ada, []passkey.Record{has, {RPID: "other.example.org", CredentialID: []byte("x")}})
	require.NoError(t, err)
	var o struct {
		RP                     struct{ ID, Name string }
		User                   struct{ ID, Name, DisplayName string }
		Attestation            string
		AuthenticatorSelection struct{ ResidentKey, UserVerification string }
		ExcludeCredentials     []struct{ ID string }
		Challenge              string
	}
	require.NoError(t, json.Unmarshal(begun.Options, &o))
	require.Equal(t, site.RPID, o.RP.ID)
	require.Equal(t, "required", o.AuthenticatorSelection.ResidentKey)
	require.Equal(t, "required", o.AuthenticatorSelection.UserVerification)
	require.Contains(t, []string{"", "none"}, o.Attestation)
	require.Equal(t, "Ada Lovelace", o.User.DisplayName)
	require.Len(t, o.ExcludeCredentials, 1, "those of other domains are not the browser's business")
	require.GreaterOrEqual(t, len(o.Challenge), 22, "16 bytes at least")

	begun, err = c.BeginSignature(site, passkey.User{}, nil)
	require.NoError(t, err)
	var a struct {
		RPID             string
		UserVerification string
		AllowCredentials []any
	}
	require.NoError(t, json.Unmarshal(begun.Options, &a))
	require.Equal(t, site.RPID, a.RPID)
	require.Equal(t, "required", a.UserVerification)
	require.Empty(t, a.AllowCredentials, "nobody learns who has passkeys here")
}

func TestSignature_OfTheWrongPlaceOrPersonIsRefused_F6(t *testing.T) {
	for what, spoil := range map[string]func(d *virtual.Device){
		"another origin":          func(d *virtual.Device) { d.Origin = "https://evil.example.org" },
		"the origin over http":    func(d *virtual.Device) { d.Origin = "http://keys.example.org" },
		"another port":            func(d *virtual.Device) { d.Origin += ":8443" },
		"another domain":          func(d *virtual.Device) { d.RPID = "example.org" },
		"nobody who proved to be": func(d *virtual.Device) { d.Unverified = true },
		"another user's handle":   func(d *virtual.Device) { d.Handle = grace.Handle },
	} {
		t.Run(what, func(t *testing.T) {
			d := virtual.New(origin)
			r := enrol(t, d, ada)
			spoil(d)
			_, err := sign(t, d, ada, []passkey.Record{r})
			require.ErrorIs(t, err, passkey.ErrRefused)

			d = virtual.New(origin)
			begun, err := c.BeginEnrolment(site, ada, nil)
			require.NoError(t, err)
			spoil(d)
			answer, err := d.Enrol(begun.Options)
			require.NoError(t, err)
			if _, err = c.FinishEnrolment(site, ada, begun.Kept, answer); what != "another user's handle" {
				require.ErrorIs(t, err, passkey.ErrRefused)
			}
		})
	}
}

func TestSignature_OfAnotherPasskeyIsRefused_F6(t *testing.T) {
	mine, theirs := virtual.New(origin), virtual.New(origin)
	r := enrol(t, mine, ada)
	enrol(t, theirs, grace)
	theirs.Handle = ada.Handle
	_, err := sign(t, theirs, ada, []passkey.Record{r})
	require.ErrorIs(t, err, passkey.ErrRefused)
	_, err = sign(t, mine, ada, nil)
	require.ErrorIs(t, err, passkey.ErrRefused, "one that was removed")
	r.RPID = "old.example.org"
	_, err = sign(t, mine, ada, []passkey.Record{r})
	require.ErrorIs(t, err, passkey.ErrRefused, "one of another domain")
}

func TestAnswer_ToAnotherChallengeIsRefused_F6(t *testing.T) {
	d := virtual.New(origin)
	r := enrol(t, d, ada)
	one, err := c.BeginSignature(site, passkey.User{}, nil)
	require.NoError(t, err)
	two, err := c.BeginSignature(site, passkey.User{}, nil)
	require.NoError(t, err)
	answer, err := d.Sign(one.Options)
	require.NoError(t, err)
	_, err = c.FinishSignature(site, ada, []passkey.Record{r}, two.Kept, answer)
	require.ErrorIs(t, err, passkey.ErrRefused)

	first, err := c.BeginEnrolment(site, ada, nil)
	require.NoError(t, err)
	second, err := c.BeginEnrolment(site, ada, nil)
	require.NoError(t, err)
	answer, err = virtual.New(origin).Enrol(first.Options)
	require.NoError(t, err)
	_, err = c.FinishEnrolment(site, ada, second.Kept, answer)
	require.ErrorIs(t, err, passkey.ErrRefused)
	_, err = c.FinishEnrolment(site, grace, first.Kept, answer)
	require.ErrorIs(t, err, passkey.ErrRefused, "a challenge of another employee")
}

func TestSignature_OfACloneIsToldByItsCounter_F6(t *testing.T) {
	d := virtual.New(origin)
	r := enrol(t, d, ada)
	clone := d.Clone()
	r, err := sign(t, d, ada, []passkey.Record{r})
	require.NoError(t, err)
	_, err = sign(t, clone, ada, []passkey.Record{r})
	require.ErrorIs(t, err, passkey.ErrCloned)
}

func TestSignature_ByOneOfThoseThatAreNamed_F6(t *testing.T) {
	d, other := virtual.New(origin), virtual.New(origin)
	r, s := enrol(t, d, ada), enrol(t, other, ada)
	begun, err := c.BeginSignature(site, ada, []passkey.Record{r})
	require.NoError(t, err)
	answer, err := d.Sign(begun.Options)
	require.NoError(t, err)
	got, err := c.FinishSignature(site, ada, []passkey.Record{r, s}, begun.Kept, answer)
	require.NoError(t, err)
	require.Equal(t, r.CredentialID, got.CredentialID)
	answer, err = other.Sign(begun.Options)
	require.NoError(t, err)
	_, err = c.FinishSignature(site, ada, []passkey.Record{r, s}, begun.Kept, answer)
	require.ErrorIs(t, err, passkey.ErrRefused, "it was not asked")
}

func TestAnswer_ThatIsNoneIsRefused_F6(t *testing.T) {
	begun, err := c.BeginEnrolment(site, ada, nil)
	require.NoError(t, err)
	for _, answer := range []string{``, `{}`, `[]`, `null`, `{"id":"x","rawId":"x","type":"public-key","response":{}}`, `{"id":1}`} {
		_, err := c.FinishEnrolment(site, ada, begun.Kept, []byte(answer))
		require.ErrorIs(t, err, passkey.ErrRefused, answer)
		_, err = c.FinishSignature(site, ada, nil, begun.Kept, []byte(answer))
		require.ErrorIs(t, err, passkey.ErrRefused, answer)
		_, _, err = c.Signer([]byte(answer))
		require.ErrorIs(t, err, passkey.ErrRefused, answer)
	}
}
