package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/signin"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// manyKeys is how many keys a large account has.
const manyKeys = 1000

// units counts round trips and capacity units of single requests, through the very code of the authorizer and the services.
func units(ctx context.Context, _ settings) ([]Figure, error) {
	d, err := deploy(ctx, time.Now().UTC().Truncate(time.Hour).Add(30*time.Second))
	if err != nil {
		return nil, err
	}
	k, err := d.account(ctx, "", 1)
	if err != nil {
		return nil, err
	}
	var out []Figure
	for _, measure := range []func(context.Context, *deployment, apikey.Shown) ([]Figure, error){verified, firstOfAMinute, proofOfUse, duringAnOverlap, refusals, accountWide} {
		figures, err := measure(ctx, d, k)
		if err != nil {
			return nil, err
		}
		out = append(out, figures...)
	}
	return out, nil
}

func verified(ctx context.Context, d *deployment, k apikey.Shown) ([]Figure, error) {
	warm, err := d.steady(ctx, k.Secret)
	if err != nil {
		return nil, err
	}
	cold, err := d.request(ctx, d.environment(), k.Secret, home)
	if err != nil {
		return nil, err
	}
	out := []Figure{
		at("store round trips, warm environment", float64(len(warm.calls)), 1, strings.Join(warm.calls, " + ")),
		at("store round trips, cold environment", float64(len(cold.calls)), 2, strings.Join(cold.calls, " + ")),
		at("read units, cold environment, with the source's row", cold.reads, 4, ""),
		at("write units within a minute of the last use", warm.writes, 0, ""),
	}
	custom, err := d.addRole(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range []struct {
		what string
		role id.Role
		keys int
		most float64
	}{
		{"read units, built-in role, 1 key on the account", "", 1, 3}, {"read units, built-in role, 1,000 keys", "", manyKeys, 3},
		{"read units, custom role, 1 key on the account", custom, 1, 4}, {"read units, custom role, 1,000 keys", custom, manyKeys, 4},
	} {
		k, err := d.account(ctx, c.role, c.keys)
		if err != nil {
			return nil, err
		}
		b, err := d.steady(ctx, k.Secret)
		if err != nil {
			return nil, err
		}
		out = append(out, at(c.what, b.reads, c.most, fmt.Sprintf("in %d round trip", len(b.calls))))
	}
	guarded, err := onAnotherAPI(ctx, d)
	if err != nil {
		return nil, err
	}
	out = append(out, guarded)
	pat, err := d.steady(ctx, d.owner)
	if err != nil {
		return nil, err
	}
	c, err := d.asOwner(ctx)
	if err != nil {
		return nil, err
	}
	s := &signin.Service{Store: d.store, Mint: d.keys.Mint, Now: d.clock, Rand: rand.Reader}
	opened, err := s.Assume(ctx, c, d.company, "")
	if err != nil {
		return nil, err
	}
	inside, err := d.steady(ctx, opened.Secret)
	return append(out, at("read units, personal access token", pat.reads, 3, fmt.Sprintf("in %d round trip", len(pat.calls))),
		at("read units, session inside a company", inside.reads, 4, fmt.Sprintf("in %d round trip", len(inside.calls)))), err
}

// onAnotherAPI is a verified request to an API that is registered.
func onAnotherAPI(ctx context.Context, d *deployment) (Figure, error) {
	c, err := d.asOwner(ctx)
	if err != nil {
		return Figure{}, err
	}
	apis := &protectedapi.Service{Store: d.store, Now: d.clock, Rand: rand.Reader}
	if _, err := apis.Register(ctx, c, protectedapi.New{Node: c.Caller.Place.Node(), Name: "Recordings", Slug: "recordings", GatewayID: "r1e2c3o4r5", Stage: "prod",
		Scopes: []protectedapi.Scope{{Name: "recordings:read", Kind: permission.Read}},
		Routes: []protectedapi.Route{{Method: "GET", Path: "/recordings", Scope: "recordings:read"}}}); err != nil {
		return Figure{}, err
	}
	k, err := d.account(ctx, "", 1)
	if err != nil {
		return Figure{}, err
	}
	there := home
	there.API, there.Guard = "r1e2c3o4r5", "r1e2c3o4r5/prod"
	if _, err := d.request(ctx, d.verifier, k.Secret, there); err != nil {
		return Figure{}, err
	}
	b, err := d.request(ctx, d.verifier, k.Secret, there)
	return at("read units, another API than rekey's own, built-in role", b.reads, 4, fmt.Sprintf("in %d round trip", len(b.calls))), err
}

func firstOfAMinute(ctx context.Context, d *deployment, k apikey.Shown) ([]Figure, error) {
	steady, err := d.steady(ctx, k.Secret)
	if err != nil {
		return nil, err
	}
	var minute, day, source bill
	for _, r := range []struct {
		into  *bill
		after time.Duration
		from  verify.Origin
	}{{&minute, time.Minute, home}, {&day, 24 * time.Hour, home}, {&source, time.Minute, from("192.0.2.8")}} {
		d.now = d.now.Add(r.after)
		if *r.into, err = d.request(ctx, d.verifier, k.Secret, r.from); err != nil {
			return nil, err
		}
	}
	// 2 × (⌈key⌉ + ⌈source⌉ + ⌈record⌉ + one row of the record at each place above, node and company), sizes in KiB
	const formula = 2 * (1 + 1 + 1 + 2)
	return []Figure{
		at("write units, first request of a minute", minute.writes, 1, ""),
		at("extra read units, first request of a minute", minute.reads-steady.reads, 1, ""),
		at("extra round trips that read, first request of a minute", float64(minute.count("GetItem")-steady.count("GetItem")), 1, ""),
		at("write units, first request of a day from a source", day.writes, 2, ""),
		at("write units, first request from a new source", source.writes, formula, fmt.Sprintf("in %d transaction", source.count("TransactWriteItems"))),
	}, nil
}

// proofOfUse is what the rows of usage cost on top: nothing of the others' figures, whose requests name no route, has one.
func proofOfUse(ctx context.Context, d *deployment, k apikey.Shown) ([]Figure, error) {
	on := func(route string) verify.Origin {
		o := home
		o.API, o.Method, o.Route = usage.Own, "GET", route
		return o
	}
	d.now = d.now.Truncate(24 * time.Hour).Add(36*time.Hour + 30*time.Second) // at noon: the first request of a day has a line of its own
	var plain, first, again, other, hour bill
	for _, r := range []struct {
		into *bill
		from verify.Origin
	}{{&plain, home}, {&first, on("/keys")}, {&again, on("/keys")}, {&other, on("/me")}} {
		var err error
		if *r.into, err = d.request(ctx, d.verifier, k.Secret, r.from); err != nil {
			return nil, err
		}
	}
	for range 2 * 60 { // two requests a minute until the next hour's first
		d.now = d.now.Add(30 * time.Second)
		b, err := d.request(ctx, d.verifier, k.Secret, on("/keys"))
		if err != nil {
			return nil, err
		}
		hour.writes += b.writes
	}
	return []Figure{
		at("write units, first request of an hour from a source on a route, beyond the first of a minute", first.writes, 1, ""),
		at("write units, another route", other.writes, 1, ""),
		at("write units within a minute, source and route", again.writes, 0, ""),
		at("write units in an hour, a key used all the time on one route", hour.writes, 60+8, "60 minutes, and 8 of its row"),
	}, nil
}

// duringAnOverlap is what the requests of a consumer cost whose key is being rotated, some of them on the old key and some on the
// new one.
func duringAnOverlap(ctx context.Context, d *deployment, _ apikey.Shown) ([]Figure, error) {
	old, err := d.account(ctx, "", 1)
	if err != nil {
		return nil, err
	}
	c, err := d.asOwner(ctx)
	if err != nil {
		return nil, err
	}
	o := home
	o.API, o.Method, o.Route = usage.Own, "GET", "/keys"
	d.now = d.now.Truncate(time.Hour).Add(time.Hour)
	if _, err := d.request(ctx, d.verifier, old.Secret, o); err != nil {
		return nil, err
	}
	out, err := d.rotations.Rotate(ctx, c, old.View.Key.ID, rotation.Start{Mode: rotation.Overlap})
	if err != nil {
		return nil, err
	}
	if _, err := d.request(ctx, d.verifier, out.Secret, o); err != nil { // which tells the sweeper, once
		return nil, err
	}
	const requests, keys = 20, 2
	d.now = d.now.Truncate(time.Hour).Add(time.Hour)
	var first, further, hour float64
	beyond := 0
	for range 60 {
		for i := range requests {
			for _, k := range []token.Secret{old.Secret, out.Secret} {
				b, err := d.request(ctx, d.verifier, k, o)
				if err != nil {
					return nil, err
				}
				hour += b.writes
				if i == 0 {
					first += b.writes
				} else {
					further += b.writes
					beyond++
				}
			}
			d.now = d.now.Add(3 * time.Second)
		}
	}
	return []Figure{
		at("write units per request during an overlap, beyond the first of a minute", further, 0, fmt.Sprintf("in %d requests on both keys", beyond)),
		at("write units in an hour, both keys of an overlap used all the time on one route", hour, keys*(60+8), number(first)+" with the first of each minute"),
	}, nil
}

func refusals(ctx context.Context, d *deployment, k apikey.Shown) ([]Figure, error) {
	refuse := func(o verify.Origin, secret string) (bill, error) {
		d.meter.take()
		v, err := d.verifier.Verify(ctx, verify.Presented{Secret: token.SecretOf(secret)}, o)
		if err == nil && v.Class == verify.Allow {
			err = fmt.Errorf("%.8s… is allowed", secret)
		}
		return d.meter.take(), err
	}
	wrong := func() string {
		return token.Mint(token.ServiceAccountKey, id.Body(k.View.Key.ID), rand.Reader).Reveal()
	}
	thief, good := from("198.51.100.1"), k.Secret.Reveal()
	malformed, err := refuse(thief, good[:len(good)-1]+"!")
	if err != nil {
		return nil, err
	}
	swapped := good[:len(good)-8] + flip(good[len(good)-8]) + good[len(good)-7:]
	check, err := refuse(thief, swapped)
	if err != nil {
		return nil, err
	}
	unknown, err := refuse(thief, token.Mint(token.ServiceAccountKey, id.Body(id.New[id.Key](rand.Reader)), rand.Reader).Reveal())
	if err != nil {
		return nil, err
	}
	steady, err := d.steady(ctx, k.Secret)
	if err != nil {
		return nil, err
	}
	for range 10 {
		if _, err := refuse(thief, wrong()); err != nil {
			return nil, err
		}
	}
	stranger, err := refuse(thief, wrong())
	if err != nil {
		return nil, err
	}
	trusted, err := d.request(ctx, d.verifier, k.Secret, home)
	return []Figure{
		at("store calls, malformed key", float64(len(malformed.calls)), 0, ""),
		at("store calls, bad check digits", float64(len(check.calls)), 0, ""),
		at("store calls, unknown ID", float64(len(unknown.calls)), 1, ""),
		at("extra read units while locked, trusted source", trusted.reads-steady.reads, 1, ""),
		at("extra round trips while locked, trusted source", float64(len(trusted.calls)-len(steady.calls)), 1, ""),
		at("extra read units while locked, stranger", stranger.reads-steady.reads, 1, ""),
		at("write units while locked, stranger", stranger.writes, 0, ""),
	}, err
}

func flip(digit byte) string {
	if digit == 'A' {
		return "B"
	}
	return "A"
}

func accountWide(ctx context.Context, d *deployment, _ apikey.Shown) ([]Figure, error) {
	c, err := d.asOwner(ctx)
	if err != nil {
		return nil, err
	}
	k, err := d.account(ctx, "", manyKeys)
	if err != nil {
		return nil, err
	}
	a := k.View.Account.ID
	d.meter.take()
	fresh, err := d.keys.Rotate(ctx, c, a, apikey.Rotate{All: true})
	if err != nil {
		return nil, err
	}
	rotate := d.meter.take()
	for range manyKeys - 1 {
		if fresh, err = d.keys.Issue(ctx, c, a, apikey.Issue{Name: "primary"}); err != nil {
			return nil, err
		}
	}
	d.meter.take()
	if _, err := d.accounts.Revoke(ctx, c, a, ""); err != nil {
		return nil, err
	}
	revoke := d.meter.take()
	alive := 0
	for _, s := range []token.Secret{k.Secret, fresh.Secret} {
		v, err := d.verifier.Verify(ctx, verify.Presented{Secret: s}, home)
		if err != nil {
			return nil, err
		}
		if v.Class == verify.Allow {
			alive++
		}
	}
	cost := func(b bill) string {
		return fmt.Sprintf("%s write units, %s read units", number(b.writes), number(b.reads))
	}
	return []Figure{
		at("transactions, rotate-all of 1,000 keys", float64(rotate.count("TransactWriteItems")), 1, cost(rotate)),
		at("transactions, revoke of an account with 1,000 keys", float64(revoke.count("TransactWriteItems")), 1, cost(revoke)),
		at("secrets of either that still open something", float64(alive), 0, ""),
	}, nil
}
