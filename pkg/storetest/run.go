package storetest

import (
	"slices"
	"testing"
)

// Breakable is offered by a store, or a wrapper around one, that can be cut off from what holds its state. While it is
// broken every call fails as when that cannot be reached. The suite then proves that unavailability is never an absence.
type Breakable interface{ Break(broken bool) }

// test is one sentence about stores.
type test struct {
	says string
	run  func(w *world)
}

// Run holds a store against the contract. newStore is called once a test, from several at once, and gives an empty store;
// what the tests write has identifiers of their own, times in 2031, and is left behind.
//
// A store that is Breakable is tried with failures too.
func Run(t *testing.T, newStore func(t *testing.T) Store) {
	tests := slices.Concat(placeTests, companyTests, peopleTests, sessionTests, passkeyTests, employeeTests, codeTests, letterTests, accountTests, accountUpdateTests, keyTests, keyUpdateTests, rotationTests, calendarTests, roleTests, protectedAPITests, commitTests,
		idempotencyTests, listTests, auditTests, verdictTests, failureTests, announceTests, useTests, sightingTests, usageTests, policyTests, leaseTests, mailTests, faultTests)
	for _, x := range tests {
		t.Run(x.says, func(t *testing.T) {
			t.Parallel()
			x.run(newWorld(t, newStore(t)))
		})
	}
}
