package secrets

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rekey-dev/rekey/pkg/fault"
)

const (
	// RefreshAfter is how old a keyring's set gets before it is read anew, at most: jitter makes it up to a fifth less. A
	// version that has been in the secret for longer is known to every environment that can reach Secrets Manager.
	RefreshAfter = 5 * time.Minute
	// KeepFor is how long the last good set is used while Secrets Manager does not answer, or answers nonsense.
	KeepFor = time.Hour
	// ReadTimeout bounds one reading, attempts and all.
	ReadTimeout = 2 * time.Second

	retryAfter = 10 * time.Second // after a reading that failed, or did not find a version, while there is a set to go on with
)

// Keyring is a set of keys by version, one of them the current one, as a secret holds them. Its methods may be called at
// the same time. It starts nothing in the background: a set that is due is read by whoever uses it next, the others wait for
// that one reading.
type Keyring struct {
	name  string
	read  func(ctx context.Context) (string, error)
	now   func() time.Time
	early func(limit time.Duration) time.Duration

	mu       sync.Mutex
	set      *Set
	readAt   time.Time // of set
	dueAt    time.Time
	missedAt time.Time // when the secret was last read for an unknown version
	missErr  error     // what came of it
	flight   *flight
}

type flight struct {
	done chan struct{}
	err  error
	lost bool // the reader's own context ended it
}

// NewKeyring makes a cold keyring: it reads at Warm, or at its first use. name says in errors what it is for; read returns
// the secret's text.
func NewKeyring(name string, read func(ctx context.Context) (string, error), now func() time.Time) *Keyring {
	return &Keyring{name: name, read: read, now: now, early: rand.N[time.Duration]}
}

// Keyring makes a cold keyring of a secret, given by its name or ARN.
func (c *Client) Keyring(name, secret string) *Keyring {
	return NewKeyring(name, func(ctx context.Context) (string, error) {
		v, err := c.Get(ctx, secret)
		return v.Text, err
	}, c.now)
}

// Warm reads the set, so that the first use does not have to.
func (k *Keyring) Warm(ctx context.Context) error { return k.load(ctx) }

// Current returns the version that new digests are made with, and its key: the bytes of its text. The key must not be
// changed. It returns a fault of kind unavailable when there is no set, or only one that is older than KeepFor.
func (k *Keyring) Current(ctx context.Context) (version string, key []byte, err error) {
	s, err := k.fresh(ctx)
	if err != nil {
		return "", nil, err
	}
	return s.Current, s.Keys[s.Current], nil
}

// Key returns the key of a version; it must not be changed. A version that the set does not have is looked for in the
// secret at once, though not more often than every 10 seconds; false says that the secret does not have it. Errors are as
// Current's.
func (k *Keyring) Key(ctx context.Context, version string) ([]byte, bool, error) {
	s, err := k.fresh(ctx)
	if err != nil {
		return nil, false, err
	}
	if key, ok := s.Keys[version]; ok {
		return key, true, nil
	}
	k.mu.Lock()
	if k.flight == nil && !k.missedAt.IsZero() && k.now().Sub(k.missedAt) < retryAfter {
		defer k.mu.Unlock()
		return nil, false, k.missErr
	}
	k.mu.Unlock()
	err = k.load(ctx)

	k.mu.Lock()
	defer k.mu.Unlock()
	if ctx.Err() == nil {
		k.missedAt, k.missErr = k.now(), err
	}
	if err != nil {
		return nil, false, err
	}
	key, ok := k.set.Keys[version]
	return key, ok, nil
}

// All returns every key by its version. The keys must not be changed; the map is the caller's. Errors are as Current's.
func (k *Keyring) All(ctx context.Context) (map[string][]byte, error) {
	s, err := k.fresh(ctx)
	if err != nil {
		return nil, err
	}
	return maps.Clone(s.Keys), nil
}

// fresh returns a set that may be used, reading it first when it is due.
func (k *Keyring) fresh(ctx context.Context) (*Set, error) {
	k.mu.Lock()
	set, now := k.set, k.now()
	if set != nil && now.Before(k.dueAt) && now.Sub(k.readAt) < KeepFor {
		k.mu.Unlock()
		return set, nil
	}
	k.mu.Unlock()

	err := k.load(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.set != nil && k.now().Sub(k.readAt) < KeepFor {
		return k.set, nil
	}
	if err == nil {
		err = fault.Down(fmt.Errorf("secrets: the %s were read too long ago", k.name))
	}
	return nil, err
}

// load reads the secret, or waits for the reading that is under way.
func (k *Keyring) load(ctx context.Context) error {
	for {
		k.mu.Lock()
		f := k.flight
		if f == nil {
			f = &flight{done: make(chan struct{})}
			k.flight = f
			k.mu.Unlock()
			return k.fly(ctx, f)
		}
		k.mu.Unlock()
		select {
		case <-f.done:
			if !f.lost {
				return f.err
			}
		case <-ctx.Done():
			return fault.Down(fmt.Errorf("secrets: waiting for the %s: %w", k.name, ctx.Err()))
		}
	}
}

func (k *Keyring) fly(ctx context.Context, f *flight) (err error) {
	var set *Set
	err = errors.New("the reading was broken off")
	defer func() {
		k.mu.Lock()
		now := k.now()
		if err == nil {
			k.set, k.readAt = set, now
			k.dueAt = now.Add(RefreshAfter - k.early(RefreshAfter/5))
		} else {
			err = fault.Down(fmt.Errorf("secrets: reading the %s: %w", k.name, err))
			k.dueAt = now.Add(retryAfter)
			f.lost = ctx.Err() != nil
		}
		f.err, k.flight = err, nil
		k.mu.Unlock()
		close(f.done)
	}()
	bounded, cancel := context.WithTimeout(ctx, ReadTimeout)
	defer cancel()
	var text string
	if text, err = k.read(bounded); err == nil {
		set, err = ParseSet(text)
	}
	return err
}
