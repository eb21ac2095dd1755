package trial

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// Revocation is what came of revoking keys in use.
type Revocation struct {
	Revokes  int
	Workers  int
	Requests int64
	Accepted int64 // of requests that began before the acknowledgement
	After    int64 // requests that began after it
	Leaks    int64 // of those, the ones that were accepted
}

// perKey is how many workers use one key at the same time.
const perKey = 8

// Revoke revokes keys one after the other while eight workers use each, several keys at once; every worker goes on until it has
// sent a request after the key's end was acknowledged.
func Revoke(ctx context.Context, w World, revokes, workers int) (Revocation, error) {
	out := Revocation{Revokes: revokes, Workers: workers}
	var left atomic.Int64
	left.Store(int64(revokes))
	lanes := max(1, workers/perKey)
	err := parallel(lanes, func(int) error {
		account, err := w.Account(ctx)
		if err != nil {
			return err
		}
		source := newSource()
		for left.Add(-1) >= 0 {
			k, err := w.Issue(ctx, account)
			if err != nil {
				return err
			}
			end := func() (client.Answer, error) { return w.call(ctx, "/keys/"+k.ID+"/revoke", nil, http.StatusOK) }
			if err := out.hammer(ctx, w, []Key{k}, perKey, source, end); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// RevokeAccount stops all of an account's keys by one call, revoke or rotate with all, while workers use them.
func RevokeAccount(ctx context.Context, w World, action string, keys, workers int) (Revocation, error) {
	out := Revocation{Revokes: 1, Workers: workers}
	account, err := w.Account(ctx)
	if err != nil {
		return out, err
	}
	all := make([]Key, keys)
	const issuers = 8
	err = parallel(issuers, func(i int) error {
		for n := i; n < keys; n += issuers {
			k, err := w.Issue(ctx, account)
			if err != nil {
				return err
			}
			all[n] = k
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	body, want := any(client.Object{}), http.StatusOK
	if action == "rotate" {
		body, want = client.Object{"all": true}, http.StatusCreated
	}
	end := func() (client.Answer, error) {
		return w.call(ctx, "/service-accounts/"+account+"/"+action, body, want)
	}
	return out, out.hammer(ctx, w, all, workers, newSource(), end)
}

// hammer lets workers use keys, ends the keys once each worker has been accepted, and lets each worker go on until every one of
// its keys was tried after the end.
func (r *Revocation) hammer(ctx context.Context, w World, keys []Key, workers int, source string, end func() (client.Answer, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var acknowledged atomic.Pointer[time.Time]
	var accepted sync.WaitGroup
	accepted.Add(workers)
	done := make(chan error, 1)
	go func() {
		accepted.Wait()
		answer, err := end()
		if err != nil {
			cancel()
		}
		acknowledged.Store(&answer.Ended)
		done <- err
	}()
	err := parallel(workers, func(worker int) error {
		first := true
		warm := sync.OnceFunc(accepted.Done)
		defer warm()
		var mine []Key
		for i := worker; i < len(keys) || len(mine) == 0; i += workers {
			mine = append(mine, keys[i%len(keys)])
		}
		for tried := 0; tried < len(mine); {
			answer, err := w.use(ctx, mine[tried].Secret, source)
			if err != nil {
				return err
			}
			atomic.AddInt64(&r.Requests, 1)
			ok := answer.Status == http.StatusOK
			ack := acknowledged.Load()
			switch {
			case ack != nil && answer.Started.After(*ack):
				atomic.AddInt64(&r.After, 1)
				if ok {
					atomic.AddInt64(&r.Leaks, 1)
				}
				tried++
			case ok:
				atomic.AddInt64(&r.Accepted, 1)
			}
			if first {
				first = false
				warm()
			}
		}
		return nil
	})
	if failed := <-done; failed != nil {
		return failed
	}
	return err
}
