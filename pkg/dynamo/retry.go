package dynamo

import (
	"context"
	"math/rand/v2"
	"time"
)

// minBackoff is the longest pause after the first failed attempt; it doubles up to maxBackoff.
const minBackoff = 25 * time.Millisecond

// backoff pauses between half and all of a bound that doubles, for throttled calls too.
type backoff struct{}

// BackoffDelay returns the pause after the attempt, counted from 0.
func (backoff) BackoffDelay(attempt int, _ error) (time.Duration, error) {
	bound := maxBackoff
	if attempt < 4 {
		bound = min(minBackoff<<attempt, maxBackoff)
	}
	return bound/2 + rand.N(bound/2), nil
}

// pause sleeps as after the attempt; false when the context ended.
func (v *Verifier) pause(ctx context.Context, attempt int) bool {
	d, _ := backoff{}.BackoffDelay(attempt, nil)
	return v.sleep(ctx, d) == nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
