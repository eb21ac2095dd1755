package trial

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// Overlapped is what a trial of an overlap rotation under load came to.
type Overlapped struct {
	Requests, OnOld, OnNew int64
	Failed                 int64  // requests with a secret that the consumer was given and that was not yet taken back
	Dead                   bool   // the old secret is refused in the end
	State                  string // of the rotation
}

// Overlap lets workers send n requests with their consumer's secret without a pause. At a quarter of them the key is rotated with an
// overlap; from the half to five eighths the workers take the new secret one after another, as processes are restarted; at three
// quarters, when the last request with the old secret has been answered, the rotation is completed.
func Overlap(ctx context.Context, w World, n, workers int) (Overlapped, error) {
	k, err := w.NewKey(ctx)
	if err != nil {
		return Overlapped{}, err
	}
	var (
		out      Overlapped
		next     atomic.Int64
		onOld    sync.RWMutex // read-held by each request with the old secret
		fresh    atomic.Pointer[string]
		rotation string
		total    = int64(n)
	)
	rotate := func() error {
		o, err := w.admin(ctx, "/keys/"+k.ID+"/rotate", client.Object{"mode": "overlap"}, http.StatusCreated)
		secret := o.Text("secret")
		rotation = o.Text("rotation.id")
		fresh.Store(&secret)
		return err
	}
	complete := func() error {
		onOld.Lock()
		defer onOld.Unlock()
		_, err := w.admin(ctx, "/rotations/"+rotation+"/complete", nil, http.StatusOK)
		return err
	}
	sources := make([]string, workers)
	for i := range sources {
		sources[i] = newSource()
	}
	err = parallel(workers, func(worker int) error {
		for {
			i := next.Add(1)
			if i > total {
				return nil
			}
			switch i {
			case total / 4:
				if err := rotate(); err != nil {
					return err
				}
			case total * 3 / 4:
				if err := complete(); err != nil {
					return err
				}
			}
			secret, old := k.Secret, true
			if s := fresh.Load(); s != nil && i >= total/2+total/8*int64(worker)/int64(workers) {
				secret, old = *s, false
			}
			if old {
				onOld.RLock()
			}
			answer, err := w.use(ctx, secret, sources[worker])
			if old {
				onOld.RUnlock()
				atomic.AddInt64(&out.OnOld, 1)
			} else {
				atomic.AddInt64(&out.OnNew, 1)
			}
			if err != nil {
				return err
			}
			if answer.Status != http.StatusOK {
				atomic.AddInt64(&out.Failed, 1)
			}
		}
	})
	if err != nil {
		return out, err
	}
	out.Requests = out.OnOld + out.OnNew
	if fresh.Load() == nil || rotation == "" {
		return out, errors.New("trial: the key was not rotated")
	}
	answer, err := w.use(ctx, k.Secret, sources[0])
	if err != nil {
		return out, err
	}
	out.Dead = answer.Status == http.StatusUnauthorized
	got, err := w.API.Do(ctx, client.Request{Method: http.MethodGet, Path: "/rotations/" + rotation, Header: client.Bearer(w.Owner), Source: "127.0.0.1"})
	if err == nil && got.Status != http.StatusOK {
		err = fmt.Errorf("trial: the rotation answers %d: %s", got.Status, got.Body)
	}
	out.State = got.Object().Text("state")
	return out, err
}
