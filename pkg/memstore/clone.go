package memstore

import "maps"

// Clone makes another store with the same state; what then happens to one does not happen to the other. A test that tries one thing
// after another on the same state keeps one store and clones it.
func (s *Store) Clone() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Store{
		down:       s.down,
		msp:        s.msp,
		nodes:      maps.Clone(s.nodes),
		companies:  maps.Clone(s.companies),
		keySums:    maps.Clone(s.keySums),
		roles:      maps.Clone(s.roles),
		employees:  maps.Clone(s.employees),
		codes:      maps.Clone(s.codes),
		letters:    maps.Clone(s.letters),
		tokens:     maps.Clone(s.tokens),
		sessions:   maps.Clone(s.sessions),
		passkeys:   maps.Clone(s.passkeys),
		challenges: maps.Clone(s.challenges),
		guarded:    guarded{apis: maps.Clone(s.apis), slugs: maps.Clone(s.slugs)},
		accounts:   maps.Clone(s.accounts),
		keys:       maps.Clone(s.keys),
		rotations:  maps.Clone(s.rotations),
		policies:   maps.Clone(s.policies),
		policyAt:   maps.Clone(s.policyAt),
		tasks:      maps.Clone(s.tasks),
		leases:     maps.Clone(s.leases),
		calendars:  maps.Clone(s.calendars),
		names:      maps.Clone(s.names),
		named:      maps.Clone(s.named),
		retired:    cloneBoth(s.retired),
		ends:       cloneBoth(s.ends),
		sources:    cloneBoth(s.sources),
		sightings:  cloneBoth(s.sightings),
		usage:      cloneBoth(s.usage),
		records:    maps.Clone(s.records),
		events:     maps.Clone(s.events),
		mail:       mail{told: maps.Clone(s.told), lines: cloneBoth(s.lines), boxes: maps.Clone(s.boxes), wakes: maps.Clone(s.wakes)},
	}
}

// cloneBoth clones a map of maps.
func cloneBoth[K, L comparable, V any](m map[K]map[L]V) map[K]map[L]V {
	out := make(map[K]map[L]V, len(m))
	for k, inner := range m {
		out[k] = maps.Clone(inner)
	}
	return out
}
