package mailbox

import "time"

// When messages go.
const (
	// Gather is how long the first line of a day waits, so that what comes together goes together.
	Gather = 10 * time.Minute
	// GatherUrgent is how long a line waits that cannot wait for the next day.
	GatherUrgent = time.Minute
	// Apart is the least time between two further messages to a recipient.
	Apart = time.Hour
	// ClaimFor is how long a run may take to write to a recipient: longer than a function may run.
	ClaimFor = 2 * time.Minute
	// SetAside is for how long a recipient's lines wait after a message was refused for good.
	SetAside = 24 * time.Hour

	firstRetry = 5 * time.Minute
	lastRetry  = 40 * time.Minute
)

// Backoff is how long a recipient waits after so many failures in a row: 5 minutes, doubling up to 40.
func Backoff(failures int) time.Duration {
	return min(firstRetry<<min(max(failures-1, 0), 8), lastRetry)
}

// Decision is what is to be done about a recipient.
type Decision struct {
	Send bool
	At   time.Time // without Send: when to look again; zero for not before there are lines
}

// Decide says whether what waits for a recipient goes now. A recipient gets one message a day (UTC) with everything that waits;
// on a day that has had its message only what is urgent makes a further one, which takes all the rest along.
func Decide(b Box, lines []Line, now time.Time) Decision {
	if len(lines) == 0 {
		return Decision{}
	}
	var first, urgent time.Time
	for _, l := range lines {
		first = earlier(first, l.Ready())
		if l.Urgent {
			urgent = earlier(urgent, l.Ready())
		}
	}
	at := first
	if today := day(now); !b.SentAt.IsZero() && !day(b.SentAt).Before(today) {
		at = day(b.SentAt).Add(24 * time.Hour)
		if !urgent.IsZero() {
			at = earlier(at, later(urgent, b.FurtherAt.Add(Apart)))
		}
	}
	at = later(later(at, b.RetryAt), b.ClaimUntil)
	if now.Before(at) {
		return Decision{At: at}
	}
	return Decision{Send: true}
}

// Ready is when a line may go at the earliest.
func (l Line) Ready() time.Time {
	if l.Urgent {
		return l.AddedAt.Add(GatherUrgent)
	}
	return l.AddedAt.Add(Gather)
}

// Claimed is the box while a run is writing to its recipient.
func (b Box) Claimed(claim string, now time.Time) Box {
	b.Claim, b.ClaimUntil = claim, now.Add(ClaimFor)
	b.Version++
	return b
}

// Released is the box when the run is done with it.
func (b Box) Released() Box {
	b.Claim, b.ClaimUntil = "", time.Time{}
	b.Version++
	return b
}

// Sent is the box after a message.
func (b Box) Sent(now time.Time) Box {
	if !b.SentAt.IsZero() && !day(b.SentAt).Before(day(now)) {
		b.FurtherAt = now
	}
	b.SentAt, b.RetryAt, b.Failures = now, time.Time{}, 0
	return b.Released()
}

// Failed is the box after a try that may be repeated.
func (b Box) Failed(now time.Time) Box {
	b.Failures++
	b.RetryAt = now.Add(Backoff(b.Failures))
	return b.Released()
}

// Refused is the box after a message that its recipient will not get.
func (b Box) Refused(now time.Time) Box {
	b.Failures++
	b.RetryAt = now.Add(SetAside)
	return b.Released()
}

func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// earlier ignores the zero time.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
