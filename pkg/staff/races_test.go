package staff_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/staff"
)

// grace is an invitation to a place.
func grace(at place.Place, r id.Role) staff.New {
	return staff.New{Node: at.Node(), Email: "grace@example.com", FirstName: "Grace", LastName: "Hopper", RoleID: r}
}

// before runs something else just before the first commit that comes: a lost race.
func before(w *rekeytest.World, other func()) {
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			other()
		}
	}
}

// atOnce runs f n times at the same moment and returns what each came to.
func atOnce(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	all.Wait()
	return errs
}

// won requires that one came through, and that the others got this fault.
func won(t *testing.T, errs []error, kind fault.Kind) {
	t.Helper()
	through := 0
	for _, err := range errs {
		if err == nil {
			through++
			continue
		}
		require.True(t, fault.Is(err, kind), "%v", err)
	}
	require.Equal(t, 1, through)
}

func newRole(t *testing.T, w *rekeytest.World, name string) role.Custom {
	t.Helper()
	r, err := w.Roles.Create(w.Ctx, w.As(w.Owner), grant.New{Node: w.Root.Node(), Name: name, Permissions: []string{string(permission.KeysRead)}})
	require.NoError(t, err)
	return r
}

func TestRace_ARoleIsDeletedWhileItIsGiven_W3(t *testing.T) {
	w := rekeytest.New(t)
	c := w.As(w.Owner)
	first := newRole(t, w, "first")
	before(w, func() { require.NoError(t, w.Roles.Delete(w.Ctx, c, first.ID)) })
	_, err := w.Staff.Invite(w.Ctx, c, grace(w.Root, first.ID))
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	require.Empty(t, w.Inbox.Letters(), "who is not there is not written to")

	second := newRole(t, w, "second")
	before(w, func() {
		_, err := w.Staff.Invite(w.Ctx, c, grace(w.Root, second.ID))
		require.NoError(t, err)
	})
	require.True(t, fault.Is(w.Roles.Delete(w.Ctx, c, second.ID), fault.InUse))

	third := newRole(t, w, "third")
	before(w, func() { require.NoError(t, w.Roles.Delete(w.Ctx, c, third.ID)) })
	_, err = w.Staff.Patch(w.Ctx, c, w.Viewer.Employee.ID, staff.Patch{RoleID: &third.ID})
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)

	for i := range 20 {
		r := newRole(t, w, fmt.Sprint("role ", i))
		errs := atOnce(2, func(i int) error {
			if i == 0 {
				return w.Roles.Delete(w.Ctx, c, r.ID)
			}
			_, err := w.Staff.Patch(w.Ctx, c, w.Viewer.Employee.ID, staff.Patch{RoleID: &r.ID})
			return err
		})
		e, err := w.Mem.Employee(w.Ctx, w.Viewer.Employee.ID)
		require.NoError(t, err)
		if errs[1] == nil {
			require.True(t, fault.Is(errs[0], fault.InUse), "%v", errs[0])
			require.Equal(t, r.ID, e.RoleID)
		} else {
			require.NoError(t, errs[0])
			require.NotEqual(t, r.ID, e.RoleID, "no role dangles")
		}
	}
}

func TestRace_ANodeIsDeletedWhileAnEmployeeIsInvitedThere_W3(t *testing.T) {
	w := rekeytest.New(t)
	c := w.As(w.Owner)
	first, second := w.Node("First", w.Root), w.Node("Second", w.Root)
	before(w, func() { require.NoError(t, w.Tree.Delete(w.Ctx, c, first.Node())) })
	_, err := w.Staff.Invite(w.Ctx, c, grace(first, role.Viewer))
	require.True(t, fault.Is(err, fault.NotFound), "%v", err)
	before(w, func() {
		_, err := w.Staff.Invite(w.Ctx, c, grace(second, role.Viewer))
		require.NoError(t, err)
	})
	require.True(t, fault.Is(w.Tree.Delete(w.Ctx, c, second.Node()), fault.InUse))
	for i := range 10 {
		n := w.Node(fmt.Sprint("Node ", i), w.Root)
		in := grace(n, role.Viewer)
		in.Email = fmt.Sprintf("e%d@example.com", i)
		errs := atOnce(2, func(i int) error {
			if i == 0 {
				return w.Tree.Delete(w.Ctx, c, n.Node())
			}
			_, err := w.Staff.Invite(w.Ctx, c, in)
			return err
		})
		if errs[1] == nil {
			require.True(t, fault.Is(errs[0], fault.InUse), "%v", errs[0])
		} else {
			require.NoError(t, errs[0])
			require.True(t, fault.Is(errs[1], fault.NotFound), "%v", errs[1])
		}
	}
}

func TestRace_OneAddressIsInvitedOnce_W3(t *testing.T) {
	w := rekeytest.New(t)
	c := w.As(w.Owner)
	in := grace(w.Root, role.Viewer)
	before(w, func() {
		_, err := w.Staff.Invite(w.Ctx, c, in)
		require.NoError(t, err)
	})
	shouted := in
	shouted.Email = "GRACE@example.com"
	_, err := w.Staff.Invite(w.Ctx, c, shouted)
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	_, err = w.Staff.Patch(w.Ctx, c, w.Viewer.Employee.ID, staff.Patch{Email: &shouted.Email})
	require.True(t, fault.Is(err, fault.Conflict), "%v", err)
	in.Email = "other@example.com"
	letters := len(w.Inbox.Letters())
	won(t, atOnce(8, func(int) error { _, err := w.Staff.Invite(w.Ctx, c, in); return err }), fault.Conflict)
	require.Len(t, w.Inbox.Letters(), letters+1)
}

func TestRace_TheLastTwoOwnersDoNotBothGo_W3(t *testing.T) {
	w := rekeytest.New(t)
	for _, leave := range []func(by, who *rekeytest.Person) error{
		func(by, who *rekeytest.Person) error { return w.Staff.Delete(w.Ctx, w.As(by), who.Employee.ID) },
		func(by, who *rekeytest.Person) error {
			r := role.Admin
			_, err := w.Staff.Patch(w.Ctx, w.As(by), who.Employee.ID, staff.Patch{RoleID: &r})
			return err
		},
	} {
		second, third := w.Hire(string(id.New[id.Node](w.Rand)), w.Root, role.Owner), w.Hire(string(id.New[id.Node](w.Rand)), w.Root, role.Owner)
		require.NoError(t, w.Staff.Delete(w.Ctx, w.As(third), w.Owner.Employee.ID))
		asSecond, asThird := w.As(second), w.As(third)
		before(w, func() { require.NoError(t, leave(third, second)) })
		r := role.Admin
		_, err := w.Staff.Patch(w.Ctx, asSecond, third.Employee.ID, staff.Patch{RoleID: &r})
		require.True(t, fault.Is(err, fault.LastOwner), "%v", err)
		fourth := w.Hire(string(id.New[id.Node](w.Rand)), w.Root, role.Owner)
		asFourth := w.As(fourth)
		errs := atOnce(2, func(i int) error {
			if i == 0 {
				return w.Staff.Delete(w.Ctx, asThird, fourth.Employee.ID)
			}
			return w.Staff.Delete(w.Ctx, asFourth, third.Employee.ID)
		})
		won(t, errs, fault.LastOwner)
		there, err := w.Mem.Headcount(w.Ctx)
		require.NoError(t, err)
		require.Equal(t, 1, there.Owners)
		if w.Owner = third; errs[1] == nil {
			w.Owner = fourth
		}
	}
}

func TestRace_TheLastSeatIsTakenOnce_S7(t *testing.T) {
	w := rekeytest.New(t)
	there, err := w.Mem.Headcount(w.Ctx)
	require.NoError(t, err)
	w.Staff.Seats = rekeytest.To(there.Employees + 1)
	c := w.As(w.Owner)
	invite := func(i int) (employee.Employee, error) {
		in := grace(w.Root, role.Viewer)
		in.Email = fmt.Sprintf("e%d@example.com", i)
		return w.Staff.Invite(w.Ctx, c, in)
	}
	var taken employee.Employee
	before(w, func() { taken, err = invite(0) })
	_, late := invite(1)
	require.NoError(t, err)
	require.True(t, fault.Is(late, fault.LimitReached), "%v", late)
	_, err = w.Staff.Revoke(w.Ctx, c, taken.ID)
	require.NoError(t, err)
	won(t, atOnce(8, func(i int) error { _, err := invite(i + 2); return err }), fault.LimitReached)
	w.Staff.Seats = rekeytest.To(1)
	_, err = w.Staff.Patch(w.Ctx, c, w.Viewer.Employee.ID, staff.Patch{FirstName: rekeytest.To("Vera")})
	require.NoError(t, err, "fewer seats than employees stop nobody")
}

func TestRace_AChangeThatMeetsASignInHappens_W3(t *testing.T) {
	w := rekeytest.New(t)
	at := w.Now().Add(time.Minute)
	e := w.Viewer.Employee
	before(w, func() { w.Commit(w.Happened("session", "ses_1", w.Root, 1), employee.SignIn{Old: e, At: at}) })
	before := len(w.Records(audit.EmployeeUpdated))
	_, err := w.Staff.Patch(w.Ctx, w.As(w.Owner), e.ID, staff.Patch{FirstName: rekeytest.To("Vera")})
	require.NoError(t, err)
	now, err := w.Mem.Employee(w.Ctx, e.ID)
	require.NoError(t, err)
	require.Equal(t, "Vera", now.FirstName)
	require.Equal(t, at, now.LastSignInAt)
	require.Len(t, w.Records(audit.EmployeeUpdated), before+1)
}

// A fault at any call of the store, however it relates to the call's effect, leaves no employee without a record, and sends no letter
// for what is not known to be there.
func TestFaults_OfTheStoreInviteNobodyHalfway_W3(t *testing.T) {
	w := rekeytest.New(t)
	calls := w.Calls(func() {
		_, err := w.Staff.Invite(w.Ctx, w.As(w.Owner), grace(w.Root, role.Viewer))
		require.NoError(t, err)
	})
	for n := range calls {
		for _, mode := range memstore.Modes {
			w := rekeytest.New(t)
			c := w.As(w.Owner)
			w.Store.Fail(n+1, mode)
			e, err := w.Staff.Invite(w.Ctx, c, grace(w.Root, role.Viewer))
			w.Store.Settle()
			if err != nil {
				require.True(t, fault.Is(err, fault.Unavailable), "%s failed %s: %v", calls[n], mode, err)
				require.Empty(t, w.Inbox.Letters(), "%s failed %s", calls[n], mode)
				if _, missing := w.Mem.EmployeeByEmail(w.Ctx, "grace@example.com"); missing != nil {
					require.Empty(t, w.Records(audit.EmployeeInvited))
				}
				continue
			}
			require.Len(t, w.Inbox.Letters(), 1)
			require.True(t, e.CodeSentAt.IsZero() || len(w.Records(audit.LetterSent)) == 1, "%s failed %s", calls[n], mode)
		}
	}
}

func TestFaults_OfTheMailLeaveWhatWasDone_W3(t *testing.T) {
	w := rekeytest.New(t)
	w.Inbox.Fail(errors.New("no route to SES"))
	e, err := w.Staff.Reset(w.Ctx, w.As(w.Admin), w.Viewer.Employee.ID)
	require.NoError(t, err)
	require.True(t, e.CodeSentAt.IsZero())
	require.EqualValues(t, 1, e.SessionEpoch)
	require.Empty(t, w.Records(audit.LetterSent))
	require.Len(t, w.Records(audit.SecondFactorReset), 1)
}
