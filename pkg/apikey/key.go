// Package apikey holds API keys: their states, the rules of issue, regeneration and revocation, and what can be done with
// them.
//
// A key is an ID, which never changes, and a secret, which is shown once. What is stored is a keyed digest of the secret.
// A key lives only while its account does, and only in the account's current issue epoch; that is decided when the key is
// read, from the key and its account alone. The package knows neither HTTP nor storage.
package apikey

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Status of a key as callers see it.
type Status string

const (
	Active   Status = "active"
	Expiring Status = "expiring" // active, and within the notice of its end
	Inactive Status = "inactive" // switched off; can be switched on again
	Expired  Status = "expired"  // final
	Revoked  Status = "revoked"  // final
)

// Notice is how long before its end a key counts as expiring where no policy says otherwise.
const Notice = 30 * 24 * time.Hour

// Reasons for the end of a key.
const (
	ReasonCompromise  = "key_compromise"
	ReasonSuperseded  = "superseded"
	ReasonAffiliation = "affiliation_changed"
	ReasonCessation   = "cessation"
	ReasonUnspecified = "unspecified"
	ReasonExpired     = "expired"
)

// Key is an API key of a service account. Its ID, owner, place and kind never change.
type Key struct {
	ID         id.Key
	Kind       token.Kind
	AccountID  id.ServiceAccount
	Place      place.Place
	Name       string
	Scopes     permission.Set
	RoleHint   id.Role // the account's role at the last change of the key; never decides
	Generation int64   // counts the key's secrets, from 1
	IssueEpoch int64   // the account's, at issue

	MAC           []byte
	PepperVersion string

	Off        bool                  // deactivated
	Ended      *serviceaccount.Ended // revoked by itself; nil while it is not
	ExpiresAt  time.Time             // zero for never
	NoticeFrom time.Time             // when the key begins to count as expiring; zero for never

	RotationID   id.Rotation // the last rotation that it took part in
	SupersededBy id.Key      // its successor, from the start of an overlap or an emergency
	DueAt        time.Time   // when the sweeper has to look at it next; zero for never
	RotateAt     time.Time   // when it is to be rotated by its policy's schedule; zero for never
	AnnouncedAt  time.Time   // notices of its end up to then are no news

	LastUsedAt    time.Time // of the first request in the last minute that had one; zero before that
	UsedGen       int64     // the generation that LastUsedAt is of
	RetiredSeenAt time.Time // when a retired secret of it was last put on record; zero before the first

	CreatedBy     string
	CreatedByName string
	CreatedAt     time.Time
	RegeneratedAt time.Time // when its current secret was made; zero for the first, which is as old as the key
	UpdatedAt     time.Time
	Version       int64 // of what an administrator sets; the ETag
	EventSeq      int64
}

// Prefix returns the characters of the secret that may be shown.
func (k Key) Prefix() string { return token.Prefix(k.Kind, id.Body(k.ID)) }

// State is a key's status together with its end, as decided at one moment.
type State struct {
	Status Status
	Ended  *serviceaccount.Ended
}

// Live tells whether the key has not ended: an inactive key counts as live.
func (s State) Live() bool { return s.Ended == nil }

// StateOf decides a key's status at a moment. account is the key's own; epochEnd is the record of the end of the key's
// issue epoch, which is there if and only if that epoch has ended.
func StateOf(k Key, account serviceaccount.Account, epochEnd *serviceaccount.Ended, now time.Time) State {
	expired := !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
	atExpiry := &serviceaccount.Ended{At: k.ExpiresAt, By: "system", Reason: ReasonExpired}
	epochOver := account.Status != serviceaccount.Active || account.IssueEpoch != k.IssueEpoch
	if epochOver && epochEnd == nil {
		epochEnd = &serviceaccount.Ended{At: account.UpdatedAt, By: "system", Reason: ReasonCessation}
	}
	switch {
	case k.Ended != nil:
		return State{Revoked, k.Ended}
	case epochOver && expired && !k.ExpiresAt.After(epochEnd.At):
		return State{Expired, atExpiry}
	case epochOver:
		return State{Revoked, epochEnd}
	case expired:
		return State{Expired, atExpiry}
	case k.Off:
		return State{Status: Inactive}
	case !k.NoticeFrom.IsZero() && !now.Before(k.NoticeFrom):
		return State{Status: Expiring}
	}
	return State{Status: Active}
}

// NoticeOf returns when a key with this end begins to count as expiring: the longest notice of its policy before it.
func NoticeOf(expiresAt time.Time, notice time.Duration) time.Time {
	if expiresAt.IsZero() {
		return time.Time{}
	}
	return expiresAt.Add(-notice)
}

// SecretSince returns when the key's current secret was made.
func (k Key) SecretSince() time.Time {
	if k.RegeneratedAt.IsZero() {
		return k.CreatedAt
	}
	return k.RegeneratedAt
}

// Sighting is a retired secret that still comes in from a source.
type Sighting struct {
	Source     string
	UserAgent  string
	LastAt     time.Time
	Count      int64 // minutes in which it was seen: requests are counted at most once a minute and source
	RecordedAt time.Time
}

// Create puts a new key, its row in the account and the rows that list it. It is lost when the ID exists and, of a key in a
// company, when the company is not active.
type Create struct {
	Key Key
	// Room, if not nil, is the room that the key needs in its company: without, as in a rotation, it gets in anyway.
	Room *Room
}

// Room is the condition under which a company may have one more key. Every key that a company gets raises its sum of keys, and
// none of their ends lowers it, so that the sum is never less than the keys that it has and no revocation waits for another. A
// sum that has reached the limit is replaced by what was counted after it was read: as it has to be unchanged, no key was added
// meanwhile, and the company has at most as many as were counted.
type Room struct {
	Limit   int // keys, at least 1
	Counted *Counted
}

// Counted replaces the sum of a company's keys, on condition that it is still Sum.
type Counted struct{ Sum, Keys int }

func (Create) Write() {}

// Update changes a key: name, scopes, state, expiry, secret. It is conditional on Old's version, event seq and generation.
// A generation that differs retires Old's secret in the same transaction: its digest is remembered as long as the key.
type Update struct{ Old, New Key }

func (Update) Write() {}
