package trial

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// Guessing is what came of many wrong secrets at once.
type Guessing struct {
	Guesses      int
	Evaluated    int // wrong secrets that were compared before the lock was visible
	Failures     int // that the account shows
	AfterVisible int // wrong secrets that were compared although they began after the lock was visible
}

// settle is how long the log of the last request may take to be readable.
const settle = 20 * time.Second

// Guess sends wrong secrets for one account, all at once from addresses that it does not trust, and then some more when the account
// shows as locked. What the authorizer compared it says in its log, one line for each refusal.
func Guess(ctx context.Context, w World, guesses int) (Guessing, error) {
	out := Guessing{Guesses: guesses}
	k, err := w.NewKey(ctx)
	if err != nil {
		return out, err
	}
	const fromOne = 8 // fewer than lock a source of its own
	sources := make([]string, guesses/fromOne+1)
	for i := range sources {
		sources[i] = newSource()
	}
	wrong := func(n int, source string) error {
		answer, err := w.use(ctx, client.Wrong(k.Secret, n), source)
		if err == nil && answer.Status != http.StatusUnauthorized {
			err = fmt.Errorf("trial: a wrong secret answers %d", answer.Status)
		}
		return err
	}
	if err := parallel(guesses, func(n int) error { return wrong(n, sources[n/fromOne]) }); err != nil {
		return out, err
	}
	account, err := w.account(ctx, k.Account)
	if err != nil {
		return out, err
	}
	if account["locked"] != true {
		return out, fmt.Errorf("trial: %d wrong secrets did not lock", guesses)
	}
	out.Failures = account.Number("lock.failures")
	classes, err := w.refusals(ctx, k, guesses)
	if err != nil {
		return out, err
	}
	out.Evaluated = classes["F2"]
	const more = 50
	late := newSource()
	if err := parallel(more, func(n int) error { return wrong(guesses+n, late) }); err != nil {
		return out, err
	}
	classes, err = w.refusals(ctx, k, guesses+more)
	out.AfterVisible = classes["F2"] - out.Evaluated
	return out, err
}

// refusals counts the authorizer's log lines about a key by class, when all of them are there.
func (w World) refusals(ctx context.Context, k Key, want int) (map[string]int, error) {
	for end := time.Now().Add(settle); ; time.Sleep(200 * time.Millisecond) {
		lines, err := w.Logs(ctx, k.ID)
		if err != nil {
			return nil, err
		}
		classes, total := map[string]int{}, 0
		for _, line := range lines {
			var entry struct {
				Class string `json:"class"`
				KeyID string `json:"key_id"`
			}
			if json.Unmarshal([]byte(line), &entry) == nil && entry.KeyID == k.ID && entry.Class != "" {
				classes[entry.Class]++
				total++
			}
		}
		if total >= want {
			return classes, nil
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("trial: %d of %d refusals are in the log: %v", total, want, classes)
		}
	}
}

// Hammering is what a trusted source noticed of strangers.
type Hammering struct {
	Valid   int   // requests with the right secret from a trusted source
	Refused int64 // of those
	Wrong   int64 // wrong secrets that strangers sent meanwhile
	Locked  bool  // whether the account showed as locked in the end
}

// Hammer sends valid requests from a source that authenticated before, while strangers send wrong secrets for the same key.
func Hammer(ctx context.Context, w World, valid, workers int) (Hammering, error) {
	out := Hammering{Valid: valid}
	k, err := w.NewKey(ctx)
	if err != nil {
		return out, err
	}
	trusted := newSource()
	if answer, err := w.use(ctx, k.Secret, trusted); err != nil || answer.Status != http.StatusOK {
		return out, fmt.Errorf("trial: a new key answers %d: %w", answer.Status, err)
	}
	var left, n atomic.Int64
	left.Store(int64(valid))
	err = parallel(2*workers, func(worker int) error {
		source := trusted
		if worker%2 == 1 {
			source = newSource()
		}
		for left.Load() > 0 {
			secret := k.Secret
			if worker%2 == 1 {
				secret = client.Wrong(k.Secret, int(n.Add(1)))
			} else if left.Add(-1) < 0 {
				break
			}
			answer, err := w.use(ctx, secret, source)
			if err != nil {
				return err
			}
			switch {
			case worker%2 == 1:
				atomic.AddInt64(&out.Wrong, 1)
			case answer.Status != http.StatusOK:
				atomic.AddInt64(&out.Refused, 1)
			}
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	account, err := w.account(ctx, k.Account)
	out.Locked = account["locked"] == true
	return out, err
}

// Ended sends tries that must never count: retired secrets, and right and wrong secrets of a revoked, a switched-off and a
// superseded key, all of one account. It returns the number of wrong secrets that the account counted.
func Ended(ctx context.Context, w World, tries, workers int) (failures int, err error) {
	account, err := w.Account(ctx)
	if err != nil {
		return 0, err
	}
	var keys [4]Key
	for i := range keys {
		if keys[i], err = w.Issue(ctx, account); err != nil {
			return 0, err
		}
	}
	for i, action := range []string{"regenerate", "revoke", "deactivate"} {
		if _, err := w.admin(ctx, "/keys/"+keys[i].ID+"/"+action, nil, http.StatusOK); err != nil {
			return 0, err
		}
	}
	// The fourth has a wrong secret tried only after it is superseded, by way of rotating them all.
	if _, err := w.admin(ctx, "/service-accounts/"+account+"/rotate", client.Object{"all": true}, http.StatusCreated); err != nil {
		return 0, err
	}
	var n atomic.Int64
	err = parallel(workers, func(int) error {
		source := newSource()
		for i := int(n.Add(1)); i <= tries; i = int(n.Add(1)) {
			k := keys[i%len(keys)]
			secret := k.Secret
			if i/len(keys)%2 == 0 {
				secret = client.Wrong(k.Secret, i)
			}
			answer, err := w.use(ctx, secret, source)
			if err == nil && answer.Status != http.StatusUnauthorized {
				err = fmt.Errorf("trial: an ended key answers %d", answer.Status)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	o, err := w.account(ctx, account)
	if o["locked"] == true {
		return o.Number("lock.failures"), err
	}
	return 0, err
}
