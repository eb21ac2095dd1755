package secretrotation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/secretrotation"
	"github.com/rekey-dev/rekey/pkg/secrets/consumer"
	"github.com/rekey-dev/rekey/pkg/secrets/secretstest"
	"github.com/rekey-dev/rekey/pkg/token"
)

const (
	arn     = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:acme/exporter-AbCdEf"
	version = "11111111-2222-4333-8444-555555555555"
	oldKey  = id.Key("key_OldKey00000000000001")
)

// world is a secret that Secrets Manager rotates, and an API that knows its keys.
type world struct {
	*secretrotation.Rotator
	t       *testing.T
	service *secretstest.Service
	secret  *secretstest.Secret
	log     bytes.Buffer

	keys   map[string]id.Key // accepted secrets
	status map[string]string
	issued map[string]token.Secret // by Idempotency-Key
	used   map[string]int
	broken map[string]error // by method
}

func secretOf(k id.Key) token.Secret {
	return token.Mint(token.ServiceAccountKey, id.Body(k), strings.NewReader(strings.Repeat(string(k), 4)))
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, service: secretstest.New(t), keys: map[string]id.Key{}, status: map[string]string{}, issued: map[string]token.Secret{},
		used: map[string]int{}, broken: map[string]error{}}
	old := secretOf(oldKey).Reveal()
	w.keys[old] = oldKey
	w.secret = w.service.Add(arn, fmt.Sprintf(`{"api_url":"https://api.example/v1","key_id":"%s","secret":"%s","password":"hunter2"}`, oldKey, old), nil)
	w.secret.Rotating = true
	w.begin(version)
	cfg := aws.Config{Region: "eu-central-1", BaseEndpoint: &w.service.URL, HTTPClient: w.service.Client,
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "signing"}, nil
		})}
	w.Rotator = &secretrotation.Rotator{API: w, Log: slog.New(slog.NewJSONHandler(&w.log, nil)),
		Open: func(secret, rotationToken string) delivery.Box {
			return consumer.OpenRotation(cfg, secret, rotationToken)
		}}
	t.Cleanup(func() {
		for s := range w.keys {
			require.NotContains(t, w.log.String(), s[25:])
		}
		require.NotContains(t, w.log.String(), "hunter2")
		require.NotContains(t, w.log.String(), "proof")
	})
	return w
}

// begin is what Secrets Manager does before the first step: a version labelled AWSPENDING without a text.
func (w *world) begin(version string) {
	w.secret.Versions[version], w.secret.Labels["AWSPENDING"] = nil, version
}

func (w *world) step(s secretrotation.Step) error {
	return w.Handle(w.t.Context(), secretrotation.Event{Step: s, SecretId: arn, ClientRequestToken: version, RotationToken: "proof"})
}

func (w *world) CheckURL(base string) error {
	if base != "https://api.example/v1" {
		return errors.New("is no https URL")
	}
	return nil
}

func (w *world) RotateSelf(_ context.Context, base string, secret token.Secret, key string) (id.Key, token.Secret, error) {
	w.used["rotate"]++
	if err := w.broken["rotate before"]; err != nil {
		return "", token.Secret{}, err
	}
	if w.keys[secret.Reveal()] == "" {
		return "", token.Secret{}, &secretrotation.APIError{Status: 401, Code: "unauthorized"}
	}
	next := id.Key("key_NewKey00000000000002")
	if _, again := w.issued[key]; !again {
		w.issued[key] = secretOf(next)
		w.keys[w.issued[key].Reveal()] = next
	}
	if err := w.broken["rotate after"]; err != nil {
		return "", token.Secret{}, err
	}
	if w.broken["withheld"] != nil {
		return next, token.Secret{}, nil
	}
	return next, w.issued[key], nil
}

func (w *world) Me(_ context.Context, base string, secret token.Secret) (id.Key, error) {
	if err := w.broken["me"]; err != nil {
		return "", err
	}
	k, ok := w.keys[secret.Reveal()]
	if !ok {
		return "", &secretrotation.APIError{Status: 401, Code: "unauthorized"}
	}
	w.used[string(k)]++
	return k, nil
}

func (w *world) KeyStatus(_ context.Context, base string, secret token.Secret) (string, error) {
	if err := w.broken["status"]; err != nil {
		return "", err
	}
	if w.keys[secret.Reveal()] != "" {
		return "active", nil
	}
	return "revoked", nil
}

func TestSteps_EachOnceAndEachTwice_B5(t *testing.T) {
	for times := 1; times <= 3; times++ {
		w := newWorld(t)
		for _, s := range secretrotation.Steps {
			for range times {
				require.NoError(t, w.step(s))
			}
			if s != secretrotation.Finish {
				require.Equal(t, "first", w.secret.Labels["AWSCURRENT"])
			}
		}
		require.Equal(t, version, w.secret.Labels["AWSCURRENT"])
		require.Equal(t, "first", w.secret.Labels["AWSPREVIOUS"])
		require.NotContains(t, w.secret.Labels, "AWSPENDING", "or the next rotation would find one under way")
		require.JSONEq(t, fmt.Sprintf(`{"api_url":"https://api.example/v1","key_id":"key_NewKey00000000000002","secret":"%s","password":"hunter2"}`,
			w.issued[version].Reveal()), w.secret.Text("AWSCURRENT"))
		require.Len(t, w.issued, 1)
		require.Equal(t, 1, w.used["rotate"])
		require.Equal(t, times, w.used["key_NewKey00000000000002"], "only testSecret uses the new key")
		for _, s := range secretrotation.Steps { // and once more after the end
			n := len(w.service.Calls)
			require.NoError(t, w.step(s))
			require.Equal(t, []string{"DescribeSecret"}, w.service.Operations()[n:])
		}
	}
}

func TestSteps_OutOfOrderChangeNothing_B5(t *testing.T) {
	for _, s := range []secretrotation.Step{secretrotation.Set, secretrotation.Finish} {
		w := newWorld(t)
		require.ErrorContains(t, w.step(s), "createSecret comes first")
		require.Equal(t, map[string]string{"AWSCURRENT": "first", "AWSPENDING": version}, w.secret.Labels)
	}
	w := newWorld(t)
	require.NoError(t, w.step(secretrotation.Test), "so Secrets Manager tries a configuration: the current secret is tested")
	require.Equal(t, 1, w.used[string(oldKey)])
	require.NoError(t, w.step(secretrotation.Create))
	require.NoError(t, w.step(secretrotation.Finish))
	for _, s := range []secretrotation.Step{secretrotation.Test, secretrotation.Create, secretrotation.Set} {
		require.NoError(t, w.step(s))
	}
	require.Equal(t, version, w.secret.Labels["AWSCURRENT"])
	require.Equal(t, 1, w.used["rotate"])
}

func TestSteps_AreRefusedWithoutARotation_B5(t *testing.T) {
	for want, spoil := range map[string]func(w *world){
		"rotation is not enabled":    func(w *world) { w.secret.Rotating = false },
		"is not one of the secret's": func(w *world) { delete(w.secret.Labels, "AWSPENDING") },
		"is not labelled AWSPENDING": func(w *world) { w.secret.Labels["other"] = version; delete(w.secret.Labels, "AWSPENDING") },
		"missing: There is no such":  func(w *world) { clear(w.service.Secrets) },
		"deleting: The secret":       func(w *world) { w.secret.Deleted = true },
		"consumer: DescribeSecret: no an": func(w *world) {
			w.service.Fail = func(int, secretstest.Call) *secretstest.Failure { return &secretstest.Failure{Drop: true} }
		},
	} {
		for _, s := range secretrotation.Steps {
			w := newWorld(t)
			spoil(w)
			require.ErrorContains(t, w.step(s), want)
			require.Zero(t, w.used["rotate"])
			require.Equal(t, []string{"DescribeSecret"}, w.service.Operations())
		}
	}
}

func TestEvent_ThatIsNoneOfSecretsManagersIsRefused_B5(t *testing.T) {
	w := newWorld(t)
	for _, e := range []secretrotation.Event{
		{}, {Step: "createsecret", SecretId: arn, ClientRequestToken: version}, {Step: secretrotation.Create, ClientRequestToken: version},
		{Step: secretrotation.Create, SecretId: arn}, {Step: secretrotation.Create, SecretId: arn, ClientRequestToken: strings.Repeat("x", 65)},
	} {
		require.Error(t, w.Handle(t.Context(), e))
	}
	require.Empty(t, w.service.Calls)
	e := secretrotation.Event{Step: secretrotation.Create, SecretId: arn, ClientRequestToken: version, RotationToken: "proof"}
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", e, e, e), "proof")
}

func TestCreate_LostAnswersMakeNoSecondKey_B5(t *testing.T) {
	w := newWorld(t)
	down := errors.New("no answer")
	w.broken["rotate after"] = down
	require.ErrorIs(t, w.step(secretrotation.Create), down)
	delete(w.broken, "rotate after")
	fail := true
	w.service.Fail = func(_ int, c secretstest.Call) *secretstest.Failure {
		if c.Operation == "PutSecretValue" && fail {
			fail = false
			return &secretstest.Failure{Drop: true, Effect: c.In["RotationToken"] == nil}
		}
		return nil
	}
	require.Error(t, w.step(secretrotation.Create))
	require.NoError(t, w.step(secretrotation.Create))
	require.Len(t, w.issued, 1)
	require.Contains(t, w.secret.Text("AWSPENDING"), w.issued[version].Reveal())
}

// Every call to Secrets Manager fails once, at every step, in each way; the rotation is then run again from its beginning, as
// Secrets Manager does.
func TestSteps_CrashAnywhereAndGoOn_B5(t *testing.T) {
	run := func(w *world) error {
		for _, s := range secretrotation.Steps {
			if err := w.step(s); err != nil {
				return err
			}
		}
		return nil
	}
	w := newWorld(t)
	require.NoError(t, run(w))
	calls, cases := len(w.service.Calls), 0
	for n := 1; n <= calls; n++ {
		for _, f := range []secretstest.Failure{{Drop: true}, {Drop: true, Effect: true}, {Code: "InternalServiceError"}, {Code: "InternalServiceError", Effect: true},
			{Code: "ThrottlingException"}, {Code: "AccessDeniedException", Message: "hunter2"}, {Code: "ResourceNotFoundException"}, {Code: "DecryptionFailure"},
			{Code: "InvalidParameterException"}, {Code: "ResourceExistsException"}} {
			cases++
			w := newWorld(t)
			w.service.Fail = func(i int, _ secretstest.Call) *secretstest.Failure {
				if i == n {
					return &f
				}
				return nil
			}
			if err := run(w); err != nil {
				require.NotContains(t, err.Error(), "hunter2")
			}
			require.NoError(t, run(w), "call %d, %+v", n, f)
			require.Equal(t, version, w.secret.Labels["AWSCURRENT"], "call %d, %+v", n, f)
			require.NotContains(t, w.secret.Labels, "AWSPENDING", "call %d, %+v", n, f)
			require.Len(t, w.issued, 1)
			require.Contains(t, w.secret.Text("AWSCURRENT"), w.issued[version].Reveal())
		}
	}
	t.Logf("%d cases", cases)
}

func TestCreate_SaysWhatTheAPIRefuses_B5(t *testing.T) {
	for want, answer := range map[string]error{
		"a rotation of " + string(oldKey) + " is open":               &secretrotation.APIError{Status: 409, Code: "rotation_open", Detail: "One is open."},
		"need keys:rotate_self":                                      &secretrotation.APIError{Status: 403, Code: "missing_scope"},
		"HTTP 409 conflict: Ask an admin. (request r1)":              &secretrotation.APIError{Status: 409, Code: "conflict", Detail: "Ask an admin.", RequestID: "r1"},
		"is not accepted, its status is \"active\": HTTP 401 unauth": &secretrotation.APIError{Status: 401, Code: "unauthorized"},
	} {
		w := newWorld(t)
		w.broken["rotate before"] = answer
		err := w.step(secretrotation.Create)
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, answer)
		require.Empty(t, w.secret.Text("AWSPENDING"))
	}
	w := newWorld(t)
	w.broken["withheld"] = errors.New("")
	require.ErrorContains(t, w.step(secretrotation.Create), "shown no more: cancel that rotation")
	require.Empty(t, w.secret.Text("AWSPENDING"))
}

func TestSecret_ThatIsNotAKeysIsRefusedAndNotQuoted_B5(t *testing.T) {
	good := secretOf(oldKey).Reveal()
	for text, want := range map[string]string{
		`hunter2`: "no well-formed secret", `{"secret":"hunter2"}`: "no well-formed secret", `{"secret":"` + good + `"}`: "api_url",
		`{"secret":"` + good + `","api_url":"http://hunter2.example/v1"}`:                          "is no https URL",
		`{"secret":"` + good + `","api_url":"https://api.example/v1","key_id":"hunter2"}`:          "key_id that is not its secret's",
		`{"secret":"` + good[:70] + `0000","api_url":"https://api.example/v1","key_id":"hunter2"}`: "no well-formed secret",
	} {
		w := newWorld(t)
		w.secret.Versions["first"] = &text
		for _, s := range []secretrotation.Step{secretrotation.Create, secretrotation.Test} {
			err := w.step(s)
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), "hunter2")
			require.NotContains(t, err.Error(), good[25:])
		}
		require.Zero(t, w.used["rotate"])
	}
	w := newWorld(t)
	delete(w.secret.Labels, "AWSCURRENT")
	require.ErrorContains(t, w.step(secretrotation.Create), "no current version")
}

func TestSetAndTest_FindASecretThatDoesNotWork_B5(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.step(secretrotation.Create))
	delete(w.keys, w.issued[version].Reveal())
	require.ErrorContains(t, w.step(secretrotation.Set), `is "revoked", not active`)
	require.ErrorContains(t, w.step(secretrotation.Test), `is not accepted, its status is "revoked"`)
	w.keys[w.issued[version].Reveal()] = oldKey
	require.ErrorContains(t, w.step(secretrotation.Test), "for that of "+string(oldKey))
	require.Equal(t, "first", w.secret.Labels["AWSCURRENT"])
}

func TestFinish_LeavesALabelThatSomebodyElseMoved_B5(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.step(secretrotation.Create))
	w.service.Fail = func(_ int, c secretstest.Call) *secretstest.Failure {
		if c.Operation == "UpdateSecretVersionStage" {
			w.secret.Versions["theirs"], w.secret.Labels["AWSCURRENT"] = aws.String("x"), "theirs"
			return &secretstest.Failure{Code: "InvalidParameterException"}
		}
		return nil
	}
	require.ErrorContains(t, w.step(secretrotation.Finish), "AWSCURRENT was moved meanwhile")
	require.Equal(t, "theirs", w.secret.Labels["AWSCURRENT"])
}
