package rekeytest

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
)

// Clock stands still until it is told to go on.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance lets time pass; a negative duration sets the clock back.
func (c *Clock) Advance(d time.Duration) { c.Set(c.Now().Add(d)) }

// Set sets the clock.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// Rand is a stream of bytes that depends on its seed alone. It may be read by many goroutines.
type Rand struct {
	mu     sync.Mutex
	source *rand.ChaCha8
}

// NewRand makes the stream of a seed.
func NewRand(seed string) *Rand { return &Rand{source: rand.NewChaCha8(sha256.Sum256([]byte(seed)))} }

func (r *Rand) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.Read(p)
}

// Ring is a set of keys by version, v1 at first.
type Ring struct {
	mu      sync.Mutex
	rand    *Rand
	current string
	keys    map[string][]byte
	down    bool
}

// NewRing makes a set with one version.
func NewRing(r *Rand) *Ring {
	ring := &Ring{rand: r, keys: map[string][]byte{}}
	ring.Rotate()
	return ring
}

// Rotate adds the next version and makes it the current one.
func (r *Ring) Rotate() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current = "v" + strconv.Itoa(len(r.keys)+1)
	r.keys[r.current] = make([]byte, 43)
	id.Fill(r.rand, r.keys[r.current])
	return r.current
}

// Remove takes a version's key away.
func (r *Ring) Remove(version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.keys, version)
}

// Break makes every call fail as a service that cannot be reached does, until Break(false).
func (r *Ring) Break(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

func (r *Ring) err() error {
	if r.down {
		return fault.Down(context.DeadlineExceeded)
	}
	return nil
}

// Current returns the current version and its key.
func (r *Ring) Current(context.Context) (string, []byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current, r.keys[r.current], r.err()
}

// Key returns a version's key.
func (r *Ring) Key(_ context.Context, version string) ([]byte, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key, ok := r.keys[version]
	return key, ok, r.err()
}

// All returns every key by its version.
func (r *Ring) All(context.Context) (map[string][]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string][]byte, len(r.keys))
	for v, k := range r.keys {
		out[v] = k
	}
	return out, r.err()
}
