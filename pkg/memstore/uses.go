package memstore

import (
	"bytes"
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Use writes that a credential was used in a minute, and from where.
func (s *Store) Use(ctx context.Context, u verify.Use) error {
	if u.Event != nil {
		if err := u.Event.Check(); err != nil {
			return err
		}
	}
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	minute := u.At.Truncate(time.Minute)
	now := s.credential(u.Credential.ID)
	switch {
	case now == nil:
		return &change.Lost{Reason: "the credential is not there"}
	case now.Generation != u.Credential.Generation:
		return &change.Lost{Reason: "the credential's generation is another"}
	case !u.SourceOnly && now.UsedGen == now.Generation && !now.LastUsedAt.Before(minute):
		return &change.Lost{Reason: "a request of this minute or a later one was first"}
	case u.Remac != nil && !bytes.Equal(now.MAC, u.Credential.MAC):
		return &change.Lost{Reason: "the digest is another"}
	case u.Event != nil && now.EventSeq+1 != u.Event.Seq:
		return &change.Lost{Reason: "the event seq is not the next"}
	}
	t := s.transaction()
	if u.Event != nil {
		if lost := t.record(*u.Event); lost != nil {
			return lost
		}
		now.EventSeq = u.Event.Seq
	}
	if u.Remac != nil && !u.SourceOnly {
		now.MAC, now.Pepper = bytes.Clone(u.Remac), u.RemacVersion
	}
	if !u.SourceOnly {
		now.LastUsedAt, now.UsedGen = u.At, u.Credential.Generation
	}
	t.commit()
	if k, ok := s.keys[id.Key(now.ID)]; ok && u.Arrives() {
		k.DueAt = u.At
		s.keys[k.ID] = k
	}
	s.used(now)
	if day(u.Source.AuthenticatedAt) != day(u.At) {
		row := s.sources[u.Owner][u.Address]
		row.Address, row.UserAgent, row.AuthenticatedAt = u.Address, u.UserAgent, u.At
		put(s.sources, u.Owner, u.Address, row)
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// used takes over what a use, or a sighting, changes of a credential.
func (s *Store) used(c *verify.Credential) {
	if k, ok := s.keys[id.Key(c.ID)]; ok {
		k.LastUsedAt, k.UsedGen, k.EventSeq, k.MAC, k.PepperVersion = c.LastUsedAt, c.UsedGen, c.EventSeq, c.MAC, c.Pepper
		s.keys[k.ID] = k
	} else if t, ok := s.tokens[id.PAT(c.ID)]; ok {
		t.LastUsedAt, t.UsedGen, t.EventSeq, t.MAC, t.PepperVersion = c.LastUsedAt, c.UsedGen, c.EventSeq, c.MAC, c.Pepper
		s.tokens[t.ID] = t
	} else if held, ok := s.sessions[id.Session(c.ID)]; ok {
		held.LastUsedAt, held.EventSeq, held.MAC, held.PepperVersion = c.LastUsedAt, c.EventSeq, c.MAC, c.Pepper
		s.sessions[held.ID] = held
	}
}

// Sighting reads what is remembered of a retired secret's sender; a zero Sighting when it is nothing.
func (s *Store) Sighting(ctx context.Context, cred, address string) (apikey.Sighting, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return apikey.Sighting{}, err
	}
	return s.sightings[cred][address], nil
}

// See replaces old by next, conditional on old.
func (s *Store) See(ctx context.Context, cred string, old, next apikey.Sighting, event *audit.Event) error {
	if event != nil {
		if err := event.Check(); err != nil {
			return err
		}
	}
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	now := s.sightings[cred][next.Source]
	if now.Count != old.Count || !now.LastAt.Equal(old.LastAt) || !now.RecordedAt.Equal(old.RecordedAt) {
		return &change.Lost{Reason: "another request has seen it"}
	}
	if event != nil {
		c := s.credential(cred)
		if c == nil || c.EventSeq+1 != event.Seq {
			return &change.Lost{Reason: "the event seq is not the next"}
		}
		t := s.transaction()
		if lost := t.record(*event); lost != nil {
			return lost
		}
		t.commit()
		c.EventSeq = event.Seq
		s.used(c)
		if k, ok := s.keys[id.Key(cred)]; ok {
			k.RetiredSeenAt = event.At
			s.keys[k.ID] = k
		}
	}
	put(s.sightings, cred, next.Source, next)
	return nil
}

// Deny puts the record of a refusal. That it is there already is no error.
func (s *Store) Deny(ctx context.Context, event audit.Event) error {
	if err := event.Check(); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if _, ok := s.events[event.ID]; !ok {
		s.events[event.ID] = copyEvent(event)
	}
	return nil
}
