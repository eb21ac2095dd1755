package storetest

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func credentialOf(k apikey.Key) *verify.Credential {
	return &verify.Credential{ID: string(k.ID), Kind: k.Kind, Place: k.Place, Name: k.Name,
		Names: verify.Names{Principal: string(k.AccountID), Company: k.Place.Company, Role: k.RoleHint},
		MAC:   k.MAC, Pepper: k.PepperVersion, Generation: k.Generation, UsedGen: k.UsedGen, IssueEpoch: k.IssueEpoch,
		EventSeq: k.EventSeq, Scopes: k.Scopes, Off: k.Off, Revoked: k.Ended != nil, ExpiresAt: k.ExpiresAt,
		NoticeFrom: k.NoticeFrom, LastUsedAt: k.LastUsedAt, SupersededBy: string(k.SupersededBy), Rotation: k.RotationID != ""}
}

func principalOf(a serviceaccount.Account) *verify.Principal {
	return &verify.Principal{ID: string(a.ID), Name: a.Name, Place: a.Place, RoleID: a.RoleID,
		Active: a.Status == serviceaccount.Active, IssueEpoch: a.IssueEpoch, EventSeq: a.EventSeq, Lock: a.Lock,
		LockPolicy: a.LockPolicy}
}

func (w *world) snapshot(cred string, names verify.Names) verify.Snapshot {
	w.t.Helper()
	s, err := w.store.Snapshot(w.ctx, cred, names)
	w.NoError(err)
	return s
}

var verdictTests = []test{
	{"a credential is a key as a verdict needs it", func(w *world) {
		a := w.account("Recorder", w.co)
		k := w.key(a, "Production")
		c, err := w.store.Credential(w.ctx, string(k.ID))
		w.NoError(err)
		w.same(credentialOf(k), c)
		w.commit(w.editKey(k, func(n *apikey.Key) {
			n.Off, n.Ended = true, &serviceaccount.Ended{At: w.now, By: "holder", Reason: apikey.ReasonCompromise}
			n.ExpiresAt, n.NoticeFrom, n.Scopes = time.Time{}, time.Time{}, permission.Set{}
		}))
		c, err = w.store.Credential(w.ctx, string(k.ID))
		w.NoError(err)
		w.same(credentialOf(w.readKey(k.ID)), c)
		w.True(c.Off)
		w.True(c.Revoked)
	}},
	{"a credential is a personal access token as a verdict needs it", func(w *world) {
		t := w.token()
		c, err := w.store.Credential(w.ctx, string(t.ID))
		w.NoError(err)
		c.Names.Role = "" // a hint
		w.same(&verify.Credential{ID: string(t.ID), Kind: token.PersonalAccessToken, Place: t.Place, Name: t.Name,
			Names: verify.Names{Principal: string(t.EmployeeID)}, MAC: t.MAC, Pepper: "v1", Generation: 1, EventSeq: 1,
			Scopes: t.Scopes, ExpiresAt: t.ExpiresAt}, c)
	}},
	{"a credential that is not there is nil, and no error", func(w *world) {
		for _, unknown := range []string{string(newID[id.Key]()), string(newID[id.PAT]()), string(newID[id.Session]())} {
			c, err := w.store.Credential(w.ctx, unknown)
			w.NoError(err)
			w.Nil(c)
			w.Nil(w.snapshot(unknown, verify.Names{Principal: "sa_00000000000000000001"}).Credential)
		}
	}},
	{"a snapshot has the credential, its principal and whether its company is suspended", func(w *world) {
		a := w.account("Recorder", w.co)
		k := w.key(a, "Production")
		a = w.readAccount(a.ID)
		names := verify.Names{Principal: string(a.ID), Company: w.co.Company, Role: role.Integration}
		w.same(verify.Snapshot{Credential: credentialOf(k), Principal: principalOf(a)}, w.snapshot(string(k.ID), names))
		w.same(verify.Snapshot{Principal: principalOf(a)}, w.snapshot("", names))
		names.Principal = string(newID[id.ServiceAccount]())
		w.Nil(w.snapshot(string(k.ID), names).Principal)
		b := w.account("At a node", w.root)
		w.same(verify.Snapshot{Principal: principalOf(b)}, w.snapshot("", verify.Names{Principal: string(b.ID)}))
	}},
	{"a snapshot has the source that is asked for along", func(w *world) {
		a, b := w.account("Recorder", w.co), w.account("Other", w.co)
		k := w.key(a, "Production")
		w.NoError(w.store.Use(w.ctx, w.use(k, w.now)))
		want := w.source(string(a.ID), home)
		w.False(want.AuthenticatedAt.IsZero())
		s := w.snapshot("", verify.Names{Principal: string(a.ID), Owner: string(a.ID), Address: home})
		w.same(want, s.Source)
		w.NotNil(s.Principal)
		for _, other := range []verify.Names{{Principal: string(a.ID)}, {Owner: string(a.ID), Address: elsewhere}, {Owner: string(b.ID), Address: home}} {
			w.same(lock.Source{}, w.snapshot("", other).Source)
		}
	}},
	{"a company that is suspended, or not there, shows as suspended", func(w *world) {
		c := w.newCompany("Late payer", place.Place{Path: w.root.Path, Company: newID[id.Company]()})
		c.Status, c.SessionEpoch = company.Suspended, 7
		w.commit(w.set(w.happened("company", string(c.ID), 1), companyCreate(c)))
		a := string(newID[id.ServiceAccount]())
		w.True(w.snapshot("", verify.Names{Principal: a, Company: c.ID}).Suspended)
		w.EqualValues(7, w.snapshot("", verify.Names{Principal: a, Company: c.ID}).CompanyEpoch)
		w.True(w.snapshot("", verify.Names{Principal: a, Company: newID[id.Company]()}).Suspended)
		w.False(w.snapshot("", verify.Names{Principal: a, Company: w.co.Company}).Suspended)
		w.False(w.snapshot("", verify.Names{Principal: a}).Suspended)
	}},
	{"a principal is active only while its account is", func(w *world) {
		a := w.account("Recorder", w.co)
		names := verify.Names{Principal: string(a.ID), Company: w.co.Company}
		w.True(w.snapshot("", names).Principal.Active)
		w.commit(w.revoke(a))
		w.False(w.snapshot("", names).Principal.Active)
		w.commit(w.edit(w.readAccount(a.ID), func(n *serviceaccount.Account) { n.Status = serviceaccount.Deleted }))
		if p := w.snapshot("", names).Principal; p != nil {
			w.False(p.Active)
		}
	}},
	{"a principal is an employee as a verdict needs it", func(w *world) {
		e := w.existing()
		w.same(&verify.Principal{ID: string(e.ID), Name: "Ada Lovelace", Place: e.Place, RoleID: role.Owner, Active: true, EventSeq: 1},
			w.snapshot("", verify.Names{Principal: string(e.ID)}).Principal)
		invited := w.hire("i" + string(newID[id.Employee]()) + "@example.com")
		invited.value.Status = employee.Invited
		w.commit(w.set(invited.set.Events[0], employee.Create{Employee: invited.value}))
		w.False(w.snapshot("", verify.Names{Principal: string(invited.value.ID)}).Principal.Active)
	}},
	{"what a snapshot shows is what was committed last", func(w *world) {
		a := w.account("Recorder", w.root)
		k := w.key(a, "Production")
		names := verify.Names{Principal: string(a.ID)}
		a = w.readAccount(a.ID)
		for i := range 10 {
			w.commit(w.edit(a, func(n *serviceaccount.Account) { n.RoleID = id.Role([]id.Role{role.Automation, role.Integration}[i%2]) }))
			a = w.readAccount(a.ID)
			w.commit(w.editKey(k, func(n *apikey.Key) { n.Off = !n.Off }))
			k = w.readKey(k.ID)
			w.same(verify.Snapshot{Credential: credentialOf(k), Principal: principalOf(a)}, w.snapshot(string(k.ID), names))
		}
	}},
}
