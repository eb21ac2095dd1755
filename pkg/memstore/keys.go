package memstore

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

func (t *transaction) createKey(w apikey.Create) string {
	k := copyKey(w.Key)
	if _, ok := t.keys[k.ID]; ok {
		return "the key exists"
	}
	if !t.open(k.Place.Company) {
		return "the key's company is not active"
	}
	if !t.countKey(w) {
		return "the key's company has no room"
	}
	t.touch("key " + string(k.ID))
	t.then(func() { t.keys[k.ID] = k })
	return ""
}

func (t *transaction) updateKey(w apikey.Update) string {
	k, ok := t.keys[w.Old.ID]
	switch {
	case !ok:
		return "the key is not there"
	case k.Version != w.Old.Version:
		return "the key's version is another"
	case k.EventSeq != w.Old.EventSeq:
		return "the key's event seq is another"
	case k.Generation != w.Old.Generation:
		return "the key's generation is another"
	case k.Generation != w.New.Generation && !bytes.Equal(k.MAC, w.Old.MAC):
		return "the digest that is to be retired is under another pepper"
	}
	n := copyKey(w.New)
	if n.ID != k.ID || n.AccountID != k.AccountID || n.Place != k.Place || n.Kind != k.Kind || n.IssueEpoch != k.IssueEpoch {
		panic("memstore: an update of what never changes of a key: " + string(k.ID))
	}
	t.touch("key " + string(k.ID))
	if n.Generation == k.Generation {
		// The digest may have moved to a new pepper since Old was read.
		n.MAC, n.PepperVersion = k.MAC, k.PepperVersion
	} else {
		mac := string(k.MAC)
		t.then(func() { put(t.retired, string(k.ID), mac, true) })
	}
	n.LastUsedAt, n.UsedGen, n.RetiredSeenAt = k.LastUsedAt, k.UsedGen, k.RetiredSeenAt
	n.CreatedAt, n.CreatedBy, n.CreatedByName = k.CreatedAt, k.CreatedBy, k.CreatedByName
	t.then(func() { t.keys[n.ID] = n })
	return ""
}

// Key returns a key.
func (s *Store) Key(ctx context.Context, k id.Key) (apikey.Key, error) {
	found, err := one(ctx, s, s.keys, k, "key")
	return copyKey(found), err
}

// Keys returns those that are there.
func (s *Store) Keys(ctx context.Context, ids []id.Key) ([]apikey.Key, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []apikey.Key
	for _, k := range ids {
		if found, ok := s.keys[k]; ok {
			out = append(out, copyKey(found))
		}
	}
	return out, nil
}

// Reschedule moves the time at which a key is due.
func (s *Store) Reschedule(ctx context.Context, k id.Key, from time.Time, to apikey.Timing) error {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	found, ok := s.keys[k]
	if !ok || !found.DueAt.Equal(from) {
		return &change.Lost{Reason: "the key is due at another time"}
	}
	found.DueAt, found.RotateAt = to.DueAt, to.RotateAt
	s.keys[k] = found
	return nil
}

// AccountKeys returns the IDs of an account's keys, newest first; next is "" at the end.
func (s *Store) AccountKeys(ctx context.Context, a id.ServiceAccount, after string, limit int) ([]id.Key, string, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, "", err
	}
	var out []id.Key
	begun := after == ""
	for _, k := range s.newestKeys(a) {
		switch {
		case !begun:
			begun = string(k.ID) == after
		case len(out) == limit:
			return out, string(out[limit-1]), nil
		default:
			out = append(out, k.ID)
		}
	}
	return out, "", nil
}

// LiveKeys returns the keys of an account's current issue epoch that have not ended at now, newest first, without their
// digests.
func (s *Store) LiveKeys(ctx context.Context, a serviceaccount.Account, now time.Time) ([]apikey.Key, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []apikey.Key
	for _, k := range s.newestKeys(a.ID) {
		if !apikey.StateOf(k, a, nil, now).Live() {
			continue
		}
		k = copyKey(k)
		k.MAC, k.PepperVersion = nil, ""
		out = append(out, k)
	}
	return out, nil
}

func (s *Store) newestKeys(a id.ServiceAccount) []apikey.Key {
	var out []apikey.Key
	for _, k := range s.keys {
		if k.AccountID == a {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b apikey.Key) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(string(b.ID), string(a.ID)))
	})
	return out
}

// Sightings returns who sent a retired secret of the key, latest first, at most limit.
func (s *Store) Sightings(ctx context.Context, k id.Key, limit int) ([]apikey.Sighting, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []apikey.Sighting
	for _, seen := range s.sightings[string(k)] {
		out = append(out, seen)
	}
	slices.SortFunc(out, func(a, b apikey.Sighting) int {
		return cmp.Or(b.LastAt.Compare(a.LastAt), strings.Compare(a.Source, b.Source))
	})
	return out[:min(limit, len(out))], nil
}
