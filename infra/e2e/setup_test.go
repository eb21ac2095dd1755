package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// racers is how many calls of set-up are made at once.
const racers = 8

// firstContact is what happened on the empty deployment; its tests judge it later.
type firstContact struct {
	fresh      bool
	wrongCode  client.Answer
	incomplete client.Answer
	noAddress  client.Answer
	race       [racers]client.Answer
	winner     int
	repeats    [racers]client.Answer // the winner's call again, all at once, before the first use of its token
	mismatch   client.Answer         // the winner's Idempotency-Key with another payload
	used       client.Answer         // the winner's call again, after the first use
}

func setupBody(code, name string) client.Object {
	return client.Object{"code": code, "msp": client.Object{"name": name},
		"owner": map[string]any{"email": "owner@example.com", "first_name": "Ada", "last_name": "Example"}}
}

// meet makes the owner, in a race with itself, or takes the token of REKEY_OWNER_TOKEN where there is an owner already.
func meet(ctx context.Context) error {
	if token := os.Getenv("REKEY_OWNER_TOKEN"); token != "" {
		world.owner = token
		world.secrets.Add(token, "REKEY_OWNER_TOKEN")
	} else if err := world.first.setUp(ctx); err != nil {
		return err
	}
	me, err := world.api.Do(ctx, client.Request{Method: http.MethodGet, Path: "/me", Header: client.Bearer(world.owner), Source: "127.0.0.1"})
	if err != nil || me.Status != http.StatusOK {
		return fmt.Errorf("the owner's token is not accepted: %d %s %w", me.Status, me.Body, err)
	}
	world.node = me.Object().Text("node_id")
	if world.first.fresh {
		world.first.used, err = world.first.repeat(ctx, "Example MSP")
	}
	return err
}

func (f *firstContact) setUp(ctx context.Context) error {
	f.fresh = true
	post := func(body client.Object, key string) (client.Answer, error) {
		return world.api.Do(ctx, client.Request{Method: http.MethodPost, Path: "/setup", Body: body,
			Header: http.Header{"Idempotency-Key": {key}}})
	}
	var err error
	if f.wrongCode, err = post(setupBody("0000000000000000000000000000000000000000000", "Example MSP"), "wrong"); err != nil {
		return err
	}
	incomplete := setupBody(world.SetupCode, "")
	incomplete["owner"] = client.Object{"email": "owner@example.com", "first_name": "Ada"}
	if f.incomplete, err = post(incomplete, "incomplete"); err != nil {
		return err
	}
	nobody := setupBody(world.SetupCode, "Example MSP")
	nobody.Object("owner")["email"] = "nobody"
	if f.noAddress, err = post(nobody, "no-address"); err != nil {
		return err
	}
	f.winner = -1
	var all sync.WaitGroup
	failures := make([]error, racers)
	for i := range racers {
		all.Go(func() {
			f.race[i], failures[i] = post(setupBody(world.SetupCode, "Example MSP"), fmt.Sprint("race-", i))
		})
	}
	all.Wait()
	for i, a := range f.race {
		if a.Status == http.StatusCreated {
			f.winner = i
		}
	}
	if err := errors.Join(failures...); err != nil {
		return err
	}
	if f.winner < 0 {
		return fmt.Errorf("set-up fails: %d %s (a stack that is set up needs REKEY_OWNER_TOKEN)", f.race[0].Status, f.race[0].Body)
	}
	for i := range racers {
		all.Go(func() { f.repeats[i], failures[i] = f.repeat(ctx, "Example MSP") })
	}
	all.Wait()
	if f.mismatch, err = f.repeat(ctx, "Another MSP"); err != nil {
		return err
	}
	world.owner = f.race[f.winner].Object().Text("secret")
	return errors.Join(failures...)
}

// repeat makes the winning call again.
func (f *firstContact) repeat(ctx context.Context, name string) (client.Answer, error) {
	return world.api.Do(ctx, client.Request{Method: http.MethodPost, Path: "/setup", Body: setupBody(world.SetupCode, name),
		Header: http.Header{"Idempotency-Key": {fmt.Sprint("race-", f.winner)}}})
}

// onFresh returns what happened on the empty deployment. On one that was set up before there is nothing to judge.
func onFresh(t *testing.T) *firstContact {
	if !world.first.fresh {
		if inCI {
			t.Fatal("CI needs a deployment that nobody has set up")
		}
		t.Skip("NOT CHECKED: the deployment was set up before this run (REKEY_OWNER_TOKEN)")
	}
	return &world.first
}

func judge(t *testing.T, a client.Answer) reply {
	require.NoError(t, a.Violation)
	return reply{Answer: a, t: t, what: "POST /setup"}
}

func TestSetup_OfEightAtOnceOneMakesTheOwner_W9(t *testing.T) {
	f := onFresh(t)
	for i, a := range f.race {
		if i != f.winner {
			judge(t, a).problem(http.StatusConflict, "already_set_up")
		}
	}
	o := judge(t, f.race[f.winner]).unshown().expect(http.StatusCreated)
	require.Regexp(t, `^msp_[0-9A-Za-z]{20}$`, o.Text("msp.id"))
	require.Equal(t, "Example MSP", o.Text("msp.name"))
	require.Equal(t, world.node, o.Text("node.id"))
	require.Equal(t, "owner@example.com", o.Text("employee.email"))
	require.Regexp(t, `^rkp_[0-9A-Za-z]{20}_[0-9A-Za-z]{49}$`, o.Text("secret"))
	require.Equal(t, o.Text("secret")[:8], o.Text("personal_access_token.prefix"))
	require.Equal(t, "pat_"+o.Text("secret")[4:24], o.Text("personal_access_token.id"))
	require.NotEmpty(t, o.Text("personal_access_token.name"))
	require.NotEmpty(t, o.Text("personal_access_token.expires_at"))
	require.NotNil(t, o.At("next"), "the answer says what to do next")
}

func TestSetup_RepeatedWithItsIdempotencyKeyShowsTheSameTokenUntilItsFirstUse_B6(t *testing.T) {
	f := onFresh(t)
	winner := f.race[f.winner].Object()
	for _, a := range f.repeats {
		require.Equal(t, winner, judge(t, a).unshown().expect(http.StatusCreated))
	}
	judge(t, f.mismatch).problem(http.StatusUnprocessableEntity, "idempotency_mismatch")
	after := judge(t, f.used).expect(http.StatusCreated)
	require.NotContains(t, after, "secret", "the token has been used")
	require.Equal(t, true, after["secret_withheld"])
	require.Equal(t, winner.Text("personal_access_token.id"), after.Text("personal_access_token.id"))
}

func TestSetup_RefusesAWrongCodeAndNamesWhatIsMissing_W9(t *testing.T) {
	f := onFresh(t)
	judge(t, f.wrongCode).problem(http.StatusUnauthorized, "unauthorized")
	judge(t, f.incomplete).invalid("/msp/name", "/owner/last_name")
	judge(t, f.noAddress).invalid("/owner/email")
}

func TestSetup_IsOverForGoodWhateverTheCode_W9(t *testing.T) {
	t.Parallel()
	p := stranger(t)
	p.post("/setup", setupBody(world.SetupCode, "Second MSP")).problem(http.StatusConflict, "already_set_up")
	p.post("/setup", setupBody("0000000000000000000000000000000000000000000", "Second MSP")).problem(http.StatusConflict, "already_set_up")
	p.once("another").post("/setup", setupBody(world.SetupCode, "Second MSP")).problem(http.StatusConflict, "already_set_up")
	require.Len(t, asOwner(t).audit("action=setup.completed"), 1)
}

func TestSetup_IsOnRecordWithItsFirstOwner_W9(t *testing.T) {
	t.Parallel()
	records := asOwner(t).audit("action=setup.completed")
	require.Len(t, records, 1)
	me := asOwner(t).get("/me").expect(http.StatusOK)
	require.Equal(t, me.Text("principal.id"), records[0].Text("actor.id"))
	require.Equal(t, "employee", records[0].Text("actor.type"))
	require.Equal(t, me.Text("msp_id"), records[0].Text("target.id"))
	require.Equal(t, "ok", records[0].Text("outcome"))
}

// recoverOwner has the owner's token made anew by whoever holds the AWS account, and lets every later test use it: the one before
// ends with it. Not for parallel tests.
func recoverOwner(t *testing.T) client.Object {
	o := invokeSetup(t, raw(t, client.Object{"recover_owner": "owner@example.com"}))
	for _, secret := range (client.Answer{Body: []byte(raw(t, o))}).Secrets() {
		world.secrets.Add(secret, "recovery")
	}
	require.Regexp(t, `^rkp_[0-9A-Za-z]{20}_[0-9A-Za-z]{49}$`, o.Text("secret"))
	world.owner = o.Text("secret")
	return o
}

func invokeSetup(t *testing.T, payload string) client.Object {
	answer, err := world.Invoke(t.Context(), "SetupFunction", []byte(payload))
	require.NoError(t, err)
	return client.Answer{Body: answer}.Object()
}

// Not parallel: it ends the token with which every test acts as the owner.
func TestRecovery_WhoeverHoldsTheAWSAccountEnrolsTheOwnerAnew_W9(t *testing.T) {
	before := asOwner(t)
	me := before.get("/me").expect(http.StatusOK)
	o := recoverOwner(t)
	require.Equal(t, me.Text("principal.id"), o.Text("employee_id"))
	p := asOwner(t)
	again := p.get("/me").expect(http.StatusOK)
	require.Equal(t, me.Text("principal.id"), again.Text("principal.id"))
	require.Equal(t, "role_BuiltinOwner00000000", again.Text("role_id"))
	before.get("/me").problem(http.StatusUnauthorized, "unauthorized")

	records := p.records(o.Text("personal_access_token.id"), "recovery.used")
	require.Len(t, records, 1)
	require.Equal(t, "system", records[0].Text("actor.type"))

	require.Contains(t, invokeSetup(t, `{"recover_owner": "stranger@example.com"}`).Text("errorMessage"), "not_found")
	require.Contains(t, invokeSetup(t, `{}`).Text("errorMessage"), "setup:")
	p.post("/setup", client.Object{"recover_owner": "owner@example.com"}).problem(http.StatusUnprocessableEntity, "invalid")
}
