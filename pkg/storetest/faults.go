package storetest

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// unavailable requires that an error says neither that something is absent nor that a race was lost.
func (w *world) unavailable(err error) {
	w.t.Helper()
	w.Truef(fault.Is(err, fault.Unavailable), "%v is no unavailable", err)
	w.NotErrorIs(err, change.ErrLost)
}

func just[T any](_ T, err error) error { return err }

var faultTests = []test{
	{"a store that cannot be reached answers with neither an absence nor a loss", func(w *world) {
		broken, ok := w.store.(Breakable)
		if !ok {
			return
		}
		a := w.account("Recorder", w.co)
		k := w.key(a, "Production")
		a = w.readAccount(a.ID)
		t := w.token()
		e := w.existing()
		rot := w.begun(a, w.now)
		p := w.policyOf(policy.Attachment{Kind: policy.Company, ID: w.co.ID()}, w.co)
		cal := w.calendar("Freezes", w.co)
		counter := w.locked(string(a.ID), w.now)
		set := w.edit(a, func(n *serviceaccount.Account) { n.Description = "edited" })
		denied := w.happened("node", w.root.ID(), 0)
		denied.Outcome = audit.Denied
		calls := map[string]func() error{
			"Commit":          func() error { return w.store.Commit(w.ctx, set) },
			"Remember":        func() error { return w.store.Remember(w.ctx, *w.answer(set.Operation, "scope", w.now)) },
			"Idempotency":     func() error { return just(w.store.Idempotency(w.ctx, "scope", w.now)) },
			"MSP":             func() error { return just(w.store.MSP(w.ctx)) },
			"Node":            func() error { return just(w.store.Node(w.ctx, w.root.Node())) },
			"Company":         func() error { return just(w.store.Company(w.ctx, w.co.Company)) },
			"Employee":        func() error { return just(w.store.Employee(w.ctx, e.ID)) },
			"EmployeeByEmail": func() error { return just(w.store.EmployeeByEmail(w.ctx, e.Email)) },
			"Employees":       func() error { return just(w.store.Employees(w.ctx, []id.Employee{e.ID})) },
			"Headcount":       func() error { return just(w.store.Headcount(w.ctx)) },
			"TakeTry":         func() error { return just(w.store.TakeTry(w.ctx, newID[id.Invitation](), w.now)) },
			"ReturnTry":       func() error { return w.store.ReturnTry(w.ctx, newID[id.Invitation]()) },
			"Token":           func() error { return just(w.store.Token(w.ctx, t.ID)) },
			"Account":         func() error { return just(w.store.Account(w.ctx, a.ID)) },
			"Accounts":        func() error { return just(w.store.Accounts(w.ctx, []id.ServiceAccount{a.ID})) },
			"Key":             func() error { return just(w.store.Key(w.ctx, k.ID)) },
			"Keys":            func() error { return just(w.store.Keys(w.ctx, []id.Key{k.ID})) },
			"AccountKeys": func() error {
				_, _, err := w.store.AccountKeys(w.ctx, a.ID, "", 10)
				return err
			},
			"Due":        func() error { return just(w.store.Due(w.ctx, 0, w.now, 10)) },
			"Reschedule": func() error { return w.store.Reschedule(w.ctx, k.ID, time.Time{}, apikey.Timing{DueAt: w.now}) },
			"Rotation":   func() error { return just(w.store.Rotation(w.ctx, rot.ID)) },
			"Rotations":  func() error { return just(w.store.Rotations(w.ctx, rotation.Query{Place: w.root.ID(), Limit: 10})) },
			"Policy":     func() error { return just(w.store.Policy(w.ctx, p.ID)) },
			"PoliciesOf": func() error { return just(w.store.PoliciesOf(w.ctx, []string{p.AttachedTo.ID})) },
			"Tasks":      func() error { return just(w.store.Tasks(w.ctx, []id.Policy{p.ID})) },
			"AdvanceTask": func() error {
				t := policy.TaskOf(p, 1, w.now)
				return w.store.AdvanceTask(w.ctx, t, t)
			},
			"Lease":     func() error { return w.store.Lease(w.ctx, aShard(), "run", w.now, w.now.Add(time.Minute)) },
			"Release":   func() error { return w.store.Release(w.ctx, aShard(), "run") },
			"Calendar":  func() error { return just(w.store.Calendar(w.ctx, cal.ID)) },
			"Calendars": func() error { return just(w.store.Calendars(w.ctx, []id.Calendar{cal.ID})) },
			"LiveKeys":  func() error { return just(w.store.LiveKeys(w.ctx, a, w.now)) },
			"EpochEnds": func() error { return just(w.store.EpochEnds(w.ctx, a.ID)) },
			"Sources":   func() error { return just(w.store.Sources(w.ctx, string(a.ID), 0, w.now, 10)) },
			"Sightings": func() error { return just(w.store.Sightings(w.ctx, k.ID, 10)) },
			"List": func() error {
				q := accountsAt(w.root)
				q.Limit = 10
				return just(w.store.List(w.ctx, q))
			},
			"AuditEvent": func() error { return just(w.store.AuditEvent(w.ctx, set.Events[0].ID)) },
			"AuditEvents": func() error {
				return just(w.store.AuditEvents(w.ctx, audit.Query{Place: w.root.ID(), From: w.now, To: w.now.AddDate(1, 0, 0), Limit: 10}))
			},
			"Credential": func() error { return just(w.store.Credential(w.ctx, string(k.ID))) },
			"Snapshot": func() error {
				return just(w.store.Snapshot(w.ctx, string(k.ID), verify.Names{Principal: string(a.ID), Company: w.co.Company}))
			},
			"Role":       func() error { return just(w.store.Role(w.ctx, "role_00000000000000000001")) },
			"Roles":      func() error { return just(w.store.Roles(w.ctx, []id.Role{"role_00000000000000000001"})) },
			"Assigned":   func() error { return just(w.store.Assigned(w.ctx, "role_00000000000000000001")) },
			"CustomRole": func() error { return just(w.store.CustomRole(w.ctx, "role_00000000000000000001")) },
			"Retired":    func() error { return just(w.store.Retired(w.ctx, string(k.ID), [][]byte{newMAC(), newMAC()})) },
			"Source":     func() error { return just(w.store.Source(w.ctx, string(a.ID), home)) },
			"Count":      func() error { return just(w.store.Count(w.ctx, w.failure(string(a.ID), home, 0, w.now))) },
			"Announce":   func() error { return w.store.Announce(w.ctx, string(a.ID), counter, w.lockRecord(string(a.ID), 2)) },
			"Use":        func() error { return w.store.Use(w.ctx, w.use(k, w.now)) },
			"Sighting":   func() error { return just(w.store.Sighting(w.ctx, string(k.ID), home)) },
			"See":        func() error { return w.store.See(w.ctx, string(k.ID), apikey.Sighting{}, w.seen(home, w.now, 1), nil) },
			"Deny":       func() error { return w.store.Deny(w.ctx, denied) },
			"Tally":      func() error { return w.store.Tally(w.ctx, w.tallied(k, 1)) },
			"Usage": func() error {
				_, _, err := w.store.Usage(w.ctx, k.ID, w.now, w.now.Add(time.Hour), "", 10)
				return err
			},
			"WrongSecrets": func() error { return just(w.store.WrongSecrets(w.ctx, string(a.ID), k.ID, w.now, w.now)) },
		}
		broken.Break(true)
		for name, call := range calls {
			err := call()
			w.Truef(fault.Is(err, fault.Unavailable), "%s: %v is no unavailable", name, err)
			w.NotErrorIs(err, change.ErrLost, name)
		}
		broken.Break(false)
		w.same(a.Description, w.readAccount(a.ID).Description)
		w.commit(set)
		w.commit(w.revocation(t))
		w.lost(w.revocation(t), accesstoken.Revoke{})
	}},
}
