package apikey

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/period"
	"github.com/rekey-dev/rekey/pkg/policy"
)

// End is when a key ends under a policy, and what of that breaks it.
type End struct {
	At         time.Time // zero for never
	Violations []string  // fields of a policy that only reports
}

// Under returns the end of a secret that is made now, under what holds for its account. Without a given end it is the policy's
// default lifetime from now; without one of those, otherwise, cut down to the longest life that there may be. A given end that is
// in the past, or later than that, is refused.
func (e Expiry) Under(p policy.Effective, now, otherwise time.Time) (End, error) {
	most, bounded := p.Most()
	latest := now.Add(most)
	if e.Given {
		return e.within(p, now, now, latest)
	}
	end := otherwise
	if life := p.DefaultLifetime.Value; life > 0 {
		end = now.Add(life)
	}
	if bounded && beyond(end, latest) {
		end = latest
	}
	end = end.Truncate(time.Second)
	return End{At: end, Violations: violations(p, now, end)}, nil
}

// within holds a given end against the latest that there may be.
func (e Expiry) within(p policy.Effective, now, madeAt, latest time.Time) (End, error) {
	if err := e.Check(now); err != nil {
		return End{}, err
	}
	if _, bounded := p.Most(); bounded && beyond(e.At, latest) {
		return End{}, fault.InvalidField("/expires_at", "is later than "+latest.UTC().Format(time.RFC3339)+
			", the longest that max_lifetime "+period.Format(p.MaxLifetime.Value)+" of the rotation policy "+
			string(p.MaxLifetime.Source.Policy)+" allows; null is never")
	}
	return End{At: e.At, Violations: violations(p, madeAt, e.At)}, nil
}

// beyond tells whether an end is later than another; never is later than any.
func beyond(end, latest time.Time) bool { return end.IsZero() || end.After(latest) }

func violations(p policy.Effective, madeAt, end time.Time) []string {
	if p.ReportOnly.Value && p.MaxLifetime.Value > 0 && beyond(end, madeAt.Add(p.MaxLifetime.Value)) {
		return []string{"max_lifetime"}
	}
	return nil
}

// latestOf is the latest end that a key may be given now: its secret's longest life, but never earlier than the longest notice
// from now.
func latestOf(k Key, p policy.Effective, now time.Time) time.Time {
	latest := k.SecretSince().Add(p.MaxLifetime.Value)
	if soonest := now.Add(p.LongestNotice()); latest.Before(soonest) {
		latest = soonest
	}
	return latest.Truncate(time.Second)
}

// Latest is the latest end that a key may be given now; false when its policy sets no bound.
func Latest(k Key, p policy.Effective, now time.Time) (time.Time, bool) {
	_, bounded := p.Most()
	return latestOf(k, p, now), bounded
}

// overlapping tells whether a key is the old one of an overlap that has begun: it ends when that was said to end.
func overlapping(k Key, now time.Time) bool {
	return k.SupersededBy != "" && !k.NoticeFrom.IsZero() && !k.NoticeFrom.After(now)
}

// overlapEnds refuses an end of an overlap's old key that is later than the overlap's.
func overlapEnds(k Key) error {
	return fault.InvalidField("/expires_at", "is later than "+k.ExpiresAt.UTC().Format(time.RFC3339)+", when the key ends as the old one of rotation "+
		string(k.RotationID)+"; extend or cancel that")
}

// InLine returns a key as a policy that has changed wants it: its end lowered to the longest life of its secret, but never to
// earlier than the longest notice from now, and its notice by the policy's longest. The old key of an overlap ends with that. It
// reports false when the key is as it is to be, or has ended. A policy that only reports lowers nothing. The version and the times of the change are the caller's.
func InLine(k Key, p policy.Effective, now time.Time) (Key, bool) {
	if k.Ended != nil || !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) {
		return k, false
	}
	next := k
	if latest, bounded := Latest(k, p, now); bounded && !overlapping(k, now) && beyond(k.ExpiresAt, latest) {
		next.ExpiresAt = latest
	}
	if k.SupersededBy == "" { // the old key of an overlap is expiring from its start on
		next.NoticeFrom = NoticeOf(next.ExpiresAt, p.LongestNotice())
	}
	if next.ExpiresAt.Equal(k.ExpiresAt) && next.NoticeFrom.Equal(k.NoticeFrom) {
		return k, false
	}
	if next.ExpiresAt.Equal(k.ExpiresAt) {
		next.DueAt = sooner(next, NextDue(next, p.Notice.Value, now))
	} else { // an end that nobody asked for is announced at once, if it is near
		next.DueAt, next.AnnouncedAt = now, time.Time{}
	}
	return next, true
}

// plan lets the notices of a key's end begin anew. A rotation that is open keeps its own time.
func plan(k *Key, p policy.Effective, now time.Time) {
	before := *k
	Plan(k, p.Notice.Value, now)
	k.DueAt = sooner(before, k.DueAt)
	if k.RotateAt = (time.Time{}); p.Schedule.Value != nil {
		k.DueAt = now // the sweeper says when it is to be rotated: that takes calendars
	}
}

// sooner is when the sweeper has to look at a key: for the sake of its end or, if that is sooner, of its rotation.
func sooner(k Key, due time.Time) time.Time {
	if k.RotationID != "" && !k.DueAt.IsZero() && (due.IsZero() || k.DueAt.Before(due)) {
		return k.DueAt
	}
	return due
}

// Note puts what breaks a policy that only reports into a record's details.
func (e End) Note(details map[string]any, p policy.Effective) {
	if len(e.Violations) > 0 {
		details["policy_violations"], details["policy_id"] = e.Violations, string(p.MaxLifetime.Source.Policy)
	}
}
