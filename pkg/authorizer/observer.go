package authorizer

import (
	"context"
	"log/slog"

	"github.com/rekey-dev/rekey/pkg/telemetry"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// sampleOf is how many allowed requests there are to one that is logged: a log line costs more than the verdict's reads.
const sampleOf = 100

// Observer logs and counts verdicts. Every refusal has a line, one allowed request in a hundred has.
type Observer struct {
	Log     *slog.Logger
	Metrics *telemetry.Recorder
}

// Report logs and counts one verdict.
func (b Observer) Report(ctx context.Context, r Report) {
	b.Metrics.Verdict(string(r.Class))
	level := slog.LevelInfo
	switch r.Class {
	case verify.Unavailable:
		level = slog.LevelError
	case verify.Allow:
		if !sampled(r.RequestID) {
			b.Metrics.Done()
			return
		}
	}
	attrs := []slog.Attr{slog.String("class", string(r.Class)), slog.String("status", string(r.Status)),
		slog.String("route", r.Route), slog.String("principal", r.Principal), slog.String("key_id", r.KeyID),
		slog.String("company", r.Company), slog.String("source_ip", r.SourceIP), slog.String("request_id", r.RequestID),
		slog.Int64("latency_ms", r.Took.Milliseconds())}
	if r.Code != "" {
		attrs = append(attrs, slog.String("code", string(r.Code)), slog.String("lacks", r.Lacks))
	}
	if r.Err != nil {
		attrs = append(attrs, slog.String("error", r.Err.Error()))
	}
	b.Log.LogAttrs(ctx, level, "verdict", attrs...)
	b.Metrics.Done()
}

// sampled picks one request in a hundred by its ID.
func sampled(requestID string) bool {
	n := uint32(2166136261) // FNV-1a, 32 bits
	for i := 0; i < len(requestID); i++ {
		n = (n ^ uint32(requestID[i])) * 16777619
	}
	return n%sampleOf == 0
}

// Failed counts and logs a write that was given up.
func (b Observer) Failed(what string, err error) {
	switch what {
	case verify.LastUse:
		b.Metrics.Count(telemetry.LastUsedWriteFailed, 1)
	case verify.Sighting:
		b.Metrics.Count(telemetry.SightingWriteFailed, 1)
	case verify.Announcement:
		b.Metrics.Count(telemetry.AnnouncementFailed, 1)
	case verify.Usage:
		b.Metrics.Count(telemetry.UsageWriteFailed, 1)
	}
	b.Log.Warn("a write was given up", "what", what, "error", err)
}

// Judged counts a verdict that was given to a holder who asked, and ends its request.
func (b Observer) Judged(class verify.Class) {
	b.Metrics.Verdict(string(class))
	b.Metrics.Done()
}

// Announced counts a lock.
func (b Observer) Announced() { b.Metrics.Count(telemetry.Locks, 1) }
