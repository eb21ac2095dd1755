package tree_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/staff"
	"github.com/rekey-dev/rekey/pkg/tenancy"
	"github.com/rekey-dev/rekey/pkg/tree"
)

// everything is a node at which one of everything stands.
var everything = node.Contents{Nodes: 1, Companies: 1, Employees: 1, ServiceAccounts: 1, Calendars: 1, Policies: 1, Roles: 1, ProtectedAPIs: 1}

// put makes, at a node, one of everything that can stand there.
var put = map[string]func(w *rekeytest.World, at place.Place) error{
	"node": func(w *rekeytest.World, at place.Place) error {
		_, err := w.Tree.Create(w.Ctx, w.As(w.Owner), tree.New{Parent: at.Node(), Name: "Child"})
		return err
	},
	"company": func(w *rekeytest.World, at place.Place) error {
		_, err := w.Companies.Create(w.Ctx, w.As(w.Owner), tenancy.New{Node: at.Node(), Name: "Initech", PackageID: "large",
			Owner: company.Owner{FirstName: "Grace", LastName: "Hopper", Email: "grace@example.com"}})
		return err
	},
	"employee": func(w *rekeytest.World, at place.Place) error {
		_, err := w.Staff.Invite(w.Ctx, w.As(w.Owner), staff.New{Node: at.Node(), Email: "grace@example.com", FirstName: "Grace", LastName: "Hopper",
			RoleID: role.Viewer})
		return err
	},
	"service_account": func(w *rekeytest.World, at place.Place) error {
		_, err := w.Accounts.Create(w.Ctx, w.As(w.Owner), serviceaccount.New{Name: "Recorder", Node: at.Node()})
		return err
	},
	"calendar": func(w *rekeytest.World, at place.Place) error {
		begin := w.Now().Add(time.Hour)
		events := []calendar.Event{{UID: "1", Summary: "Year end", Start: begin, End: begin.Add(time.Hour)}}
		_, err := w.Calendars.Create(w.Ctx, w.As(w.Owner), calendar.New{Name: "Year end", Kind: calendar.Freeze, Zone: "UTC", Node: at.Node(),
			Source: calendar.Source{Events: &events}})
		return err
	},
	"rotation_policy": func(w *rekeytest.World, at place.Place) error {
		_, err := w.Policies.Create(w.Ctx, w.As(w.Owner), rekeytest.At(at), policy.Text{Overlap: rekeytest.To("P3D")})
		return err
	},
	"role": func(w *rekeytest.World, at place.Place) error {
		_, err := w.Roles.Create(w.Ctx, w.As(w.Owner), grant.New{Node: at.Node(), Name: "Reader", Permissions: []string{string(permission.KeysRead)}})
		return err
	},
	"protected_api": func(w *rekeytest.World, at place.Place) error {
		_, err := w.APIs.Register(w.Ctx, w.As(w.Owner), rekeytest.Recordings(at))
		return err
	},
}

func south(w *rekeytest.World) place.Place {
	w.T.Helper()
	n, err := w.Tree.Create(w.Ctx, w.As(w.Owner), tree.New{Parent: w.Root.Node(), Name: "South"})
	require.NoError(w.T, err)
	return n.Place
}

func remove(w *rekeytest.World, at place.Place) error {
	return w.Tree.Delete(w.Ctx, w.As(w.Owner), at.Node())
}

// before does something between what a call has read and what it commits, once.
func before(w *rekeytest.World, meanwhile func()) {
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			meanwhile()
		}
	}
}

// gone is the answer to whoever names a node that is not there, in the path or in the body.
func gone(err error) bool { return fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) }

// empty tells whether nothing stands at a place, a deleted one included.
func empty(w *rekeytest.World, at place.Place) bool {
	w.T.Helper()
	contents, err := w.Mem.Contents(w.Ctx, string(at.Node()))
	if fault.Is(err, fault.NotFound) {
		return true
	}
	require.NoError(w.T, err)
	return len(tree.Left(contents)) == 0
}

func TestDelete_EverythingThatCanStandAtANodeIsInTheRaces_W1(t *testing.T) {
	for _, left := range tree.Left(everything) {
		require.Contains(t, put, left.Type)
	}
	require.Len(t, tree.Left(everything), len(put))
}

func TestDelete_BeforeSomethingIsPutThereItIsRefused_W1(t *testing.T) {
	for what, create := range put {
		w := rekeytest.New(t)
		at := south(w)
		before(w, func() { require.NoError(t, remove(w, at), what) })
		err := create(w, at)
		require.Nil(t, w.Store.Hook, what)
		require.True(t, gone(err), "%s: %v", what, err)
		require.True(t, empty(w, at), what)
	}
}

func TestDelete_WhatIsPutThereMeanwhileIsInTheWay_W1(t *testing.T) {
	for what, create := range put {
		w := rekeytest.New(t)
		at := south(w)
		before(w, func() { require.NoError(t, create(w, at), what) })
		err := remove(w, at)
		require.True(t, fault.Is(err, fault.InUse), "%s: %v", what, err)
		require.False(t, empty(w, at), what)
	}
}

func TestDelete_AndSomethingPutThereAtTheSameMomentOneWins_W1(t *testing.T) {
	for what, create := range put {
		for round := range 10 {
			w := rekeytest.New(t)
			at := south(w)
			var both sync.WaitGroup
			var made, deleted error
			both.Go(func() { made = create(w, at) })
			both.Go(func() { deleted = remove(w, at) })
			both.Wait()
			if deleted == nil {
				require.True(t, gone(made), "%s, round %d: %v", what, round, made)
				require.True(t, empty(w, at), what)
				continue
			}
			require.True(t, fault.Is(deleted, fault.InUse), "%s, round %d: %v", what, round, deleted)
			require.NoError(t, made, "%s, round %d", what, round)
		}
	}
}

// A node that is made twice under one name at the same moment is there once.
func TestCreate_OfTwoAtOnceWithOneNameOneIsMade_W1(t *testing.T) {
	for range 20 {
		w := rekeytest.New(t)
		var both sync.WaitGroup
		errs := make([]error, 2)
		for i, name := range []string{"South", "sOUTH"} {
			both.Go(func() { _, errs[i] = w.Tree.Create(w.Ctx, w.As(w.Owner), tree.New{Parent: w.Below.Node(), Name: name}) })
		}
		both.Wait()
		require.NotEqual(t, errs[0] == nil, errs[1] == nil, "%v", errs)
		for _, err := range errs {
			require.True(t, err == nil || fault.Is(err, fault.Conflict), "%v", err)
		}
	}
}
