package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rekey-dev/rekey/infra/e2e/client"
	"github.com/rekey-dev/rekey/infra/e2e/trial"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// threshold is how many wrong secrets lock where no policy says otherwise.
const threshold = 10

// sizes of the trials.
type sizes struct{ revokes, accountKeys, guesses, valid, ended, overlap int }

// full are the sizes that are promised.
func full(s settings) sizes {
	return sizes{revokes: s.size(1000), accountKeys: s.size(1000), guesses: 1000, valid: s.size(10_000), ended: s.size(10_000), overlap: s.size(20_000)}
}

// concurrency runs the trials of the end-to-end tests at full size on the product's handlers in this process: the code from the
// gateway's event on, over HTTP on loopback, with dynoxide as the store.
func concurrency(ctx context.Context, s settings) ([]Figure, error) {
	d, err := deploy(ctx, time.Now().UTC().Truncate(time.Minute))
	if err != nil {
		return nil, err
	}
	d.meter.off = true
	g, server := d.serve()
	defer server.Close()
	w := trial.World{API: &client.Target{BaseURL: server.URL}, Owner: d.owner.Reveal(), Node: string(d.root.Node()), Logs: g.log.Lines}
	figures, err := trials(ctx, w, full(s), parallelism)
	if err != nil {
		return nil, err
	}
	expired, err := d.expired(ctx, s.size(10_000))
	return append(figures, expired), err
}

// expired tries right and wrong secrets of a key whose time is over, which only a clock that can be set has at hand.
func (d *deployment) expired(ctx context.Context, tries int) (Figure, error) {
	c, err := d.asOwner(ctx)
	if err != nil {
		return Figure{}, err
	}
	a, err := d.accounts.Create(ctx, c, serviceaccount.New{Name: "expired", Company: d.company})
	if err != nil {
		return Figure{}, err
	}
	k, err := d.keys.Issue(ctx, c, a.Account.ID, apikey.Issue{Name: "expired", ExpiresAt: apikey.Expiry{Given: true, At: d.now.Add(time.Minute)}})
	if err != nil {
		return Figure{}, err
	}
	d.now = d.now.Add(2 * time.Minute)
	var next, counted atomic.Int64
	try := func(v *verify.Verifier) error {
		for i := next.Add(1); i <= int64(tries); i = next.Add(1) {
			secret := k.Secret
			if i%2 == 0 {
				secret = token.Mint(token.ServiceAccountKey, id.Body(k.View.Key.ID), rand.Reader)
			}
			verdict, err := v.Verify(ctx, verify.Presented{Secret: secret}, from("198.51.100.9"))
			if err != nil {
				return err
			}
			if verdict.Class == verify.Wrong || verdict.Class == verify.Allow {
				counted.Add(1)
			}
		}
		return nil
	}
	done := make(chan error, parallelism)
	for range parallelism {
		go func() { done <- try(d.environment()) }()
	}
	for range parallelism {
		err = errors.Join(err, <-done)
	}
	if err != nil {
		return Figure{}, err
	}
	after, err := d.store.Account(ctx, a.Account.ID)
	f := at("wrong secrets counted for expired keys", float64(counted.Load())+float64(after.Lock.Failures), 0, fmt.Sprintf("of %d, no lock", tries))
	return f, err
}

// trials runs all of them. atOnce is how many requests the authorizer serves at once, at most.
func trials(ctx context.Context, w trial.World, n sizes, atOnce int) ([]Figure, error) {
	var out []Figure
	revoked, err := trial.Revoke(ctx, w, n.revokes, 64)
	if err != nil {
		return nil, fmt.Errorf("revoke: %w", err)
	}
	out = append(out, at("requests that succeed after a revoke was acknowledged", float64(revoked.Leaks), 0,
		fmt.Sprintf("of %d, %d revokes, %d workers; %d succeeded before", revoked.After, revoked.Revokes, revoked.Workers, revoked.Accepted)))

	for _, action := range []string{"revoke", "rotate"} {
		r, err := trial.RevokeAccount(ctx, w, action, n.accountKeys, 64)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", action, err)
		}
		what := map[string]string{"revoke": "revoke", "rotate": "rotate-all"}[action]
		out = append(out, at(fmt.Sprintf("… after the %s of an account", what), float64(r.Leaks), 0, fmt.Sprintf("of %d, with each of its %d keys", r.After, n.accountKeys)))
	}

	guessed, err := trial.Guess(ctx, w, n.guesses)
	if err != nil {
		return nil, fmt.Errorf("guess: %w", err)
	}
	out = append(out,
		at("wrong secrets evaluated beyond the threshold; bound: parallelism", float64(guessed.Evaluated-threshold), float64(atOnce), fmt.Sprintf("of %d guesses at once", guessed.Guesses)),
		at("… once the lock was visible", float64(guessed.AfterVisible), 0, "of 50"))

	hammered, err := trial.Hammer(ctx, w, n.valid, 8)
	if err != nil {
		return nil, fmt.Errorf("hammer: %w", err)
	}
	f := at("valid requests refused, trusted source, strangers hammer", float64(hammered.Refused), 0, fmt.Sprintf("of %d, with %d wrong secrets meanwhile", hammered.Valid, hammered.Wrong))
	f.OK = f.OK && hammered.Locked
	out = append(out, f)

	ended, err := trial.Ended(ctx, w, n.ended, 8)
	if err != nil {
		return nil, fmt.Errorf("ended: %w", err)
	}
	out = append(out, at("wrong secrets counted for ended keys and retired secrets", float64(ended), 0, fmt.Sprintf("of %d, no lock", n.ended)))
	overlapped, err := trial.Overlap(ctx, w, n.overlap, 16)
	if err != nil {
		return nil, fmt.Errorf("overlap: %w", err)
	}
	f = at("requests that fail while their key is rotated with an overlap", float64(overlapped.Failed), 0,
		fmt.Sprintf("of %d, %d on the old key, %d on the new one", overlapped.Requests, overlapped.OnOld, overlapped.OnNew))
	f.OK = f.OK && overlapped.Dead && overlapped.State == "retired"
	out = append(out, f)
	return append(out, Figure{What: "for information: 503 answers, sent again (the machine was busy)", Bound: "-", Measured: fmt.Sprint(trial.Unavailable()), OK: true}), nil
}
