package delivery_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/secrets/consumer"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
	"github.com/rekey-dev/rekey/pkg/token"
)

// desk is a courier, the secrets that it delivers to, and what rekey's store would know.
type desk struct {
	*delivery.Courier
	t        *testing.T
	service  *secretstest.Service
	plan     delivery.Plan
	minted   []token.Secret
	accepted string // the secret that the key accepts
	dead     []id.Key
}

func newDesk(t *testing.T, text string) (*desk, *secretstest.Secret) {
	d := &desk{t: t, service: secretstest.New(t), plan: plan()}
	d.plan.From = ""
	secret := d.service.Add("acme/exporter", text, map[string]string{"rekey:place": d.plan.Place.ID(), "team": "voice"})
	cfg := aws.Config{Region: "eu-central-1", BaseEndpoint: &d.service.URL, HTTPClient: d.service.Client,
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "signing"}, nil
		})}
	d.Courier = &delivery.Courier{Boxes: consumer.New(cfg, func(context.Context) (string, error) { return "msp_00000000000000000001", nil }),
		Abandoned: func(_ context.Context, k id.Key) (bool, error) { return slices.Contains(d.dead, k), nil }}
	return d, secret
}

func (d *desk) deliver() (delivery.Receipt, error) {
	return d.Deliver(d.t.Context(), d.plan, delivery.Work{
		Activated: d.accepted != "",
		Mint: func(context.Context) (token.Secret, error) {
			s := token.Mint(token.ServiceAccountKey, id.Body(d.plan.Key), strings.NewReader(strings.Repeat(string(rune('a'+len(d.minted))), 64)))
			d.minted = append(d.minted, s)
			return s, nil
		},
		Activate: func(_ context.Context, s token.Secret, from string) error {
			require.Empty(d.t, d.accepted, "an activated key is not activated again")
			d.accepted, d.plan.From = s.Reveal(), from
			return nil
		},
	})
}

func (d *desk) refused(reason delivery.Reason) *delivery.Refusal {
	d.t.Helper()
	receipt, err := d.deliver()
	require.Zero(d.t, receipt)
	var r *delivery.Refusal
	require.ErrorAs(d.t, err, &r, "%v", err)
	require.Equal(d.t, reason, r.Reason)
	d.holdsNoSecret(err)
	return r
}

func (d *desk) holdsNoSecret(err error) {
	d.t.Helper()
	require.NotContains(d.t, err.Error(), "hunter2")
	for _, s := range d.minted {
		require.NotContains(d.t, err.Error(), s.Reveal()[25:])
	}
}

func TestDeliver_PutsActivatesMovesAndReadsBack_B5(t *testing.T) {
	old := mint(t, oldKey).Reveal()
	d, secret := newDesk(t, `{"api_key":"`+old+`","password":"hunter2"}`)
	d.plan.Target.JSONKey = "api_key"
	require.NoError(t, d.Accept(t.Context(), d.plan))
	require.Equal(t, []string{"DescribeSecret", "GetSecretValue", "GetSecretValue"}, d.service.Operations(), "Accept changes nothing")
	receipt, err := d.deliver()
	require.NoError(t, err)
	require.Equal(t, delivery.Receipt{Version: d.plan.Version, From: "first"}, receipt)
	require.JSONEq(t, `{"api_key":"`+d.accepted+`","password":"hunter2"}`, secret.Text("AWSCURRENT"))
	require.JSONEq(t, `{"api_key":"`+old+`","password":"hunter2"}`, secret.Text("AWSPREVIOUS"))
	require.NotContains(t, secret.Labels, "AWSPENDING")
	require.NotContains(t, receipt.String(), d.accepted[25:])

	n := len(d.service.Calls)
	again, err := d.deliver()
	require.NoError(t, err)
	require.Equal(t, d.plan.Version, again.Version)
	require.NotContains(t, d.service.Operations()[n:], "PutSecretValue")
	require.NotContains(t, d.service.Operations()[n:], "UpdateSecretVersionStage")
	require.Len(t, d.minted, 1)
}

func TestDeliver_ToASecretWithoutAValueYet_B5(t *testing.T) {
	d, secret := newDesk(t, "")
	_, err := d.deliver()
	require.NoError(t, err)
	require.Equal(t, d.accepted, secret.Text("AWSCURRENT"))
	require.NotContains(t, secret.Labels, "AWSPENDING")
}

// Every call fails once: before its effect, after it, and with each of AWS's answers instead of it. Then the delivery is
// carried out again, and ends with the one secret that the key accepts.
func TestDeliver_CrashesAnywhereAndGoesOn_B5(t *testing.T) {
	calls := func() int {
		d, _ := newDesk(t, `{"k":"old"}`)
		d.plan.Target.JSONKey = "k"
		_, err := d.deliver()
		require.NoError(t, err)
		return len(d.service.Calls)
	}()
	require.Greater(t, calls, 12)
	cases := 0
	for n := 1; n <= calls; n++ {
		for _, f := range []secretstest.Failure{
			{Drop: true}, {Drop: true, Effect: true}, {Code: "InternalServiceError"}, {Code: "InternalServiceError", Effect: true},
			{Code: "ThrottlingException"}, {Code: "AccessDeniedException", Message: "no hunter2"}, {Code: "AccessDeniedException", Message: "Access to KMS is not allowed"},
			{Code: "DecryptionFailure"}, {Code: "EncryptionFailure"}, {Code: "ResourceNotFoundException"}, {Code: "LimitExceededException"},
			{Code: "InvalidRequestException", Message: "it was marked for deletion"}, {Code: "InvalidRequestException"}, {Code: "InvalidParameterException"},
			{Code: "ResourceExistsException"}, {Code: "ValidationException", Message: "Value 'hunter2'"},
		} {
			cases++
			d, secret := newDesk(t, `{"k":"old","password":"hunter2"}`)
			d.plan.Target.JSONKey = "k"
			d.service.Fail = func(i int, _ secretstest.Call) *secretstest.Failure {
				if i == n {
					return &f
				}
				return nil
			}
			_, err := d.deliver()
			if err != nil {
				d.holdsNoSecret(err)
				var r *delivery.Refusal
				require.True(t, errors.As(err, &r) || fault.Is(err, fault.Unavailable), "%v", err)
			}
			if current := secret.Labels["AWSCURRENT"]; d.accepted == "" {
				require.Equal(t, "first", current, "a consumer gets no secret before the key accepts it")
			}
			receipt, err := d.deliver()
			require.NoError(t, err, "call %d, %+v", n, f)
			require.Equal(t, d.plan.Version, receipt.Version)
			require.JSONEq(t, `{"k":"`+d.accepted+`","password":"hunter2"}`, secret.Text("AWSCURRENT"))
			require.NotContains(t, secret.Labels, "AWSPENDING")
		}
	}
	t.Logf("%d cases", cases)
}

func TestDeliver_TwoAtOncePutOneSecret_B5(t *testing.T) {
	d, secret := newDesk(t, "old")
	other := &desk{Courier: d.Courier, t: t, service: d.service, plan: d.plan, minted: []token.Secret{mint(t, newKey)}}
	var theirs delivery.Receipt
	d.service.Fail = func(int, secretstest.Call) *secretstest.Failure { return nil }
	_, err := d.Deliver(t.Context(), d.plan, delivery.Work{
		Mint: func(context.Context) (token.Secret, error) { // while this one mints, the other gets to its end
			var err error
			theirs, err = other.deliver()
			require.NoError(t, err)
			return mint(t, newKey), nil
		},
		Activate: func(_ context.Context, s token.Secret, _ string) error {
			require.Equal(t, other.accepted, s.Reveal(), "the version that is there has the secret")
			return nil
		},
	})
	require.NoError(t, err)
	require.Equal(t, d.plan.Version, theirs.Version)
	require.Equal(t, other.accepted, secret.Text("AWSCURRENT"))
}

func TestDeliver_StopsAtSomebodyElsesChangeAndGoesOnWhenMended_B5(t *testing.T) {
	for _, c := range []struct {
		reason delivery.Reason
		spoil  func(d *desk, s *secretstest.Secret)
		mend   func(d *desk, s *secretstest.Secret)
	}{
		{delivery.Changed, func(_ *desk, s *secretstest.Secret) {
			s.Versions["theirs"], s.Labels["AWSCURRENT"] = aws.String("x"), "theirs"
		}, func(_ *desk, s *secretstest.Secret) { s.Labels["AWSCURRENT"] = "first" }},
		{delivery.Taken, func(_ *desk, s *secretstest.Secret) { s.Labels["AWSPENDING"] = "theirs" }, func(_ *desk, s *secretstest.Secret) { delete(s.Labels, "AWSPENDING") }},
		{delivery.Deleting, func(_ *desk, s *secretstest.Secret) { s.Deleted = true }, func(_ *desk, s *secretstest.Secret) { s.Deleted = false }},
		{delivery.Untagged, func(_ *desk, s *secretstest.Secret) { delete(s.Tags, "rekey:place") },
			func(d *desk, s *secretstest.Secret) { s.Tags["rekey:place"] = d.plan.Place.ID() }},
		{delivery.Missing, func(d *desk, s *secretstest.Secret) { delete(d.service.Secrets, "acme/exporter") },
			func(d *desk, s *secretstest.Secret) { d.service.Secrets["acme/exporter"] = s }},
		{delivery.Forbidden, func(d *desk, _ *secretstest.Secret) {
			d.service.Fail = func(_ int, c secretstest.Call) *secretstest.Failure {
				return &secretstest.Failure{Code: "AccessDeniedException", Message: "hunter2"}
			}
		}, func(d *desk, _ *secretstest.Secret) { d.service.Fail = nil }},
		{delivery.KMS, func(d *desk, _ *secretstest.Secret) {
			d.service.Fail = func(_ int, c secretstest.Call) *secretstest.Failure {
				if c.Operation == "GetSecretValue" {
					return &secretstest.Failure{Code: "AccessDeniedException", Message: "Access to KMS is not allowed"}
				}
				return nil
			}
		}, func(d *desk, _ *secretstest.Secret) { d.service.Fail = nil }},
	} {
		d, secret := newDesk(t, mint(t, oldKey).Reveal())
		d.service.Fail = func(_ int, call secretstest.Call) *secretstest.Failure { // between activation and move
			if call.Operation == "UpdateSecretVersionStage" {
				return &secretstest.Failure{Code: "InternalServiceError"}
			}
			return nil
		}
		_, err := d.deliver()
		require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
		require.NotEmpty(t, d.accepted)
		d.service.Fail = nil
		c.spoil(d, secret)
		for range 2 {
			require.NotEmpty(t, d.refused(c.reason).Detail)
			require.NotEqual(t, d.accepted, secret.Text("AWSCURRENT"))
		}
		c.mend(d, secret)
		receipt, err := d.deliver()
		require.NoError(t, err, c.reason)
		require.Equal(t, d.plan.Version, receipt.Version)
		require.Equal(t, d.accepted, secret.Text("AWSCURRENT"))
		require.Len(t, d.minted, 1)
	}
}

func TestDeliver_AnEditOfAnotherMemberIsNeverUndone_B5(t *testing.T) {
	d, secret := newDesk(t, `{"k":"old","password":"hunter2"}`)
	d.plan.Target.JSONKey = "k"
	d.service.Fail = func(_ int, call secretstest.Call) *secretstest.Failure {
		if call.Operation == "PutSecretValue" {
			return &secretstest.Failure{Drop: true, Effect: true}
		}
		return nil
	}
	_, err := d.deliver()
	require.True(t, fault.Is(err, fault.Unavailable))
	d.service.Fail = nil
	secret.Versions["edited"], secret.Labels["AWSCURRENT"] = aws.String(`{"k":"old","password":"hunter3"}`), "edited"
	d.refused(delivery.Changed)
	require.Contains(t, secret.Text("AWSCURRENT"), "hunter3")
	require.Empty(t, d.accepted)
}

func TestDeliver_TwoKeysNeverTakeTurnsInOneSecret_B5(t *testing.T) {
	d, secret := newDesk(t, mint(t, otherKey).Reveal())
	require.Contains(t, d.refused(delivery.Occupied).Detail, string(otherKey))
	require.True(t, fault.Is(d.Accept(t.Context(), d.plan), fault.Conflict))
	require.Empty(t, d.minted, "no secret is made in vain")
	d.plan.Replaces = append(d.plan.Replaces, otherKey)
	_, err := d.deliver()
	require.NoError(t, err)
	require.Equal(t, d.accepted, secret.Text("AWSCURRENT"))
}

func TestDeliver_AKeyThatHasEndedGivesWayAndKeepsNobodyFromANewOne_B5(t *testing.T) {
	d, secret := newDesk(t, mint(t, otherKey).Reveal())
	d.refused(delivery.Occupied)
	require.Equal(t, []string{"DescribeSecret", "GetSecretValue", "GetSecretValue"}, d.service.Operations(), "nothing was written")
	d.dead = []id.Key{otherKey}
	_, err := d.deliver()
	require.NoError(t, err)
	require.Equal(t, d.accepted, secret.Text("AWSCURRENT"))
}

func TestDeliver_WhatADeadAttemptLeftPendingIsReplaced_B5(t *testing.T) {
	d, secret := newDesk(t, "old")
	secret.Versions["dead"], secret.Labels["AWSPENDING"] = aws.String(mint(t, otherKey).Reveal()), "dead"
	d.refused(delivery.Taken)
	d.dead = []id.Key{otherKey}
	_, err := d.deliver()
	require.NoError(t, err)
	require.Equal(t, d.accepted, secret.Text("AWSCURRENT"))
}

func TestDeliver_AVersionThatIsGoneAfterActivationIsSaid_B5(t *testing.T) {
	d, secret := newDesk(t, "old")
	d.accepted = "by an earlier run"
	d.refused(delivery.Lost)
	require.Equal(t, "old", secret.Text("AWSCURRENT"))
}

func TestAccept_AllThatIsNotThisPlacesIsOneRefusal_B5(t *testing.T) {
	answers := map[string]bool{}
	for name, prepare := range map[string]func(d *desk, s *secretstest.Secret){
		"absent":      func(d *desk, _ *secretstest.Secret) { clear(d.service.Secrets) },
		"untagged":    func(_ *desk, s *secretstest.Secret) { clear(s.Tags) },
		"another's":   func(_ *desk, s *secretstest.Secret) { s.Tags["rekey:place"] = "co_2Other000000000000C3" },
		"the node's":  func(_ *desk, s *secretstest.Secret) { s.Tags["rekey:place"] = string(node.Node()) },
		"being ended": func(_ *desk, s *secretstest.Secret) { s.Deleted = true },
		"forbidden": func(d *desk, _ *secretstest.Secret) {
			d.service.Fail = func(int, secretstest.Call) *secretstest.Failure {
				return &secretstest.Failure{Code: "AccessDeniedException"}
			}
		},
		"role refused": func(d *desk, _ *secretstest.Secret) {
			d.plan.Target.RoleARN = "arn:aws:iam::111122223333:role/rekey"
			d.service.Fail = func(int, secretstest.Call) *secretstest.Failure { return &secretstest.Failure{Code: "AccessDenied"} }
		},
	} {
		d, secret := newDesk(t, "old")
		prepare(d, secret)
		var f *fault.Error
		require.ErrorAs(t, d.Accept(t.Context(), d.plan), &f, name)
		require.Equal(t, fault.Invalid, f.Kind, name)
		require.Len(t, f.Fields, 1)
		require.Equal(t, "/deliver_to/secret_id", f.Fields[0].Pointer, name)
		answers[f.Detail+f.Fields[0].Detail] = true
		require.NotContains(t, d.service.Operations(), "GetSecretValue", "no value is read before the tag is right")
	}
	require.Len(t, answers, 1)
}

func TestAccept_WhatIsWrongWithAnOwnSecretIsSaid_B5(t *testing.T) {
	d, _ := newDesk(t, `{"password":"hunter2"}`)
	var f *fault.Error
	require.ErrorAs(t, d.Accept(t.Context(), d.plan), &f)
	require.Equal(t, "/deliver_to/json_key", f.Fields[0].Pointer)
	d, _ = newDesk(t, "old")
	d.service.Fail = func(int, secretstest.Call) *secretstest.Failure { return &secretstest.Failure{Drop: true} }
	require.True(t, fault.Is(d.Accept(t.Context(), d.plan), fault.Unavailable))
}

func TestOpen_AnotherAccountsSecretIsReachedByItsRole_B5(t *testing.T) {
	d, _ := newDesk(t, "old")
	d.service.Secrets[arn] = d.service.Secrets["acme/exporter"]
	d.plan.Target.SecretID, d.plan.Target.RoleARN = arn, "arn:aws:iam::111122223333:role/rekey"
	_, err := d.deliver()
	require.NoError(t, err)
	first := d.service.Calls[0]
	require.Equal(t, "AssumeRole", first.Operation)
	require.Equal(t, "AKID", first.Key)
	require.Equal(t, "msp_00000000000000000001", first.In["ExternalId"])
	require.Equal(t, "rekey-"+string(newKey), first.In["RoleSessionName"])
	require.Equal(t, "900", first.In["DurationSeconds"])
	for _, c := range d.service.Calls[1:] {
		require.Equal(t, "ASIAarnawsiam111122223333rolerekey", c.Key)
		require.Equal(t, "eu-west-1", c.Region, "the ARN's")
	}
}
