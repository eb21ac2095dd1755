package setup_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/setup"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

var input = setup.Input{Code: rekeytest.SetupCode, MSPName: "Northwind", Email: "Ada@example.com", FirstName: "Ada", LastName: "Lovelace"}

var request = audit.Request{ID: "req-1", SourceIP: "192.0.2.1", UserAgent: "curl/8"}

// once sets up by a call that can be repeated; its scope is the code's.
func once(w *rekeytest.World, key string, in setup.Input) (rekeytest.Answer, error) {
	c := call.Call{Caller: authz.Caller{ID: in.Code}, Request: request}
	payload := in.MSPName + in.Email
	return w.Post(c, "/setup", key, payload, func(c call.Call) (any, token.Secret, error) {
		out, err := w.Setup.SetUp(w.Ctx, c.Idempotency, request, in)
		return out, out.Secret, err
	})
}

func TestSetUp_MakesTheMSPItsRootTheOwnerAndATokenThatWorks_W9(t *testing.T) {
	w := rekeytest.Empty(t)
	out, err := w.Setup.SetUp(w.Ctx, nil, request, input)
	require.NoError(t, err)
	w.Note(out.Secret)
	m, err := w.Mem.MSP(w.Ctx)
	require.NoError(t, err)
	require.Equal(t, out.MSP, m)
	require.Equal(t, "Northwind", m.Name)
	n, err := w.Mem.Node(w.Ctx, m.RootNode)
	require.NoError(t, err)
	require.Equal(t, 1, n.Depth())
	e, err := w.Mem.EmployeeByEmail(w.Ctx, "ada@EXAMPLE.com")
	require.NoError(t, err)
	require.Equal(t, out.Employee, e)
	require.Equal(t, e.ID, m.Owner)
	require.Equal(t, role.Owner, e.RoleID)
	require.Equal(t, employee.Active, e.Status)
	require.Equal(t, n.Place, e.Place)
	require.Equal(t, w.Now().Add(90*24*time.Hour), out.Token.ExpiresAt)
	require.Equal(t, permission.All, out.Token.Scopes)
	v := w.Request(out.Secret, rekeytest.Home)
	require.Equal(t, verify.Allow, v.Class)
	require.Equal(t, permission.All, v.Caller().Effective)
	require.Equal(t, "Ada Lovelace", v.Caller().Name)

	r := w.Record(audit.SetupCompleted)
	require.Equal(t, audit.Actor{Type: audit.Employee, ID: string(e.ID), Name: "Ada Lovelace"}, r.Actor)
	require.Equal(t, audit.Target{Type: "msp", ID: string(m.ID), Name: "Northwind"}, r.Target)
	require.Equal(t, "192.0.2.1", r.SourceIP)
	require.Equal(t, "req-1", r.RequestID)
	require.Equal(t, out.Token.Prefix(), r.Details["key_prefix"])
}

func TestSetUp_WorksOnceWhateverTheCode_W9(t *testing.T) {
	w := rekeytest.Empty(t)
	out, err := w.Setup.SetUp(w.Ctx, nil, request, input)
	require.NoError(t, err)
	for _, code := range []string{input.Code, "wrong", ""} {
		again := input
		again.Code = code
		require.Zero(t, w.Changed(func() {
			got, err := w.Setup.SetUp(w.Ctx, nil, request, again)
			require.True(t, fault.Is(err, fault.AlreadySetUp), "%v", err)
			require.True(t, got.Secret.IsZero())
		}))
	}
	w.Wins(out.Secret)
}

func TestSetUp_AWrongCodeIsA401ThatCountsNowhere_W9(t *testing.T) {
	w := rekeytest.Empty(t)
	for _, code := range []string{"", "wrong", input.Code[:42], input.Code + " ", strings.ToUpper(input.Code), strings.Repeat("x", 100_000)} {
		in := input
		in.Code, in.MSPName = code, "" // what else is wrong is not looked at
		for range 20 {
			_, err := w.Setup.SetUp(w.Ctx, nil, request, in)
			require.True(t, fault.Is(err, fault.Unauthorized), "%v", err)
		}
	}
	require.Empty(t, rekeytest.WritesOf(w.Store.Calls()))
	_, err := w.Setup.SetUp(w.Ctx, nil, request, input)
	require.NoError(t, err)
}

func TestSetUp_BadTextsAreRefusedWithTheirPointers_W9(t *testing.T) {
	w := rekeytest.Empty(t)
	_, err := w.Setup.SetUp(w.Ctx, nil, request, setup.Input{Code: input.Code, MSPName: "", Email: "nobody", FirstName: "\x00", LastName: strings.Repeat("x", 101)})
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, fault.Invalid, f.Kind)
	var got []string
	for _, field := range f.Fields {
		got = append(got, field.Pointer)
	}
	require.Equal(t, []string{"/msp/name", "/owner/email", "/owner/first_name", "/owner/last_name"}, got)
	require.NotContains(t, w.Store.Calls(), "Commit")
}

func TestSetUp_IsForTheOwnersAddressWhereTheDeploymentNamesOne_W9(t *testing.T) {
	w := rekeytest.Empty(t)
	w.Setup.OwnerEmail = "grace@example.com"
	_, err := w.Setup.SetUp(w.Ctx, nil, request, input)
	require.True(t, fault.Is(err, fault.Invalid), "%v", err)
	w.Setup.OwnerEmail = "ADA@example.com"
	_, err = w.Setup.SetUp(w.Ctx, nil, request, input)
	require.NoError(t, err)
}

func TestSetUp_OfManyAtOnceOneWins_W9(t *testing.T) {
	w := rekeytest.Empty(t)
	var all sync.WaitGroup
	results, errs := make([]setup.Result, 16), make([]error, 16)
	for i := range results {
		all.Go(func() { results[i], errs[i] = w.Setup.SetUp(w.Ctx, nil, request, input) })
	}
	all.Wait()
	won := 0
	for i, err := range errs {
		if err == nil {
			won++
			w.Wins(results[i].Secret)
			continue
		}
		require.True(t, fault.Is(err, fault.AlreadySetUp), "%v", err)
		require.True(t, results[i].Secret.IsZero())
	}
	require.Equal(t, 1, won)
	w.Record(audit.SetupCompleted)
}

func TestSetUp_ARepeatGivesTheSameTokenForAnHourAndUntilItsFirstUse_W9_B6(t *testing.T) {
	for _, used := range []bool{false, true} {
		w := rekeytest.Empty(t)
		first, err := once(w, "K", input)
		require.NoError(t, err)
		w.Advance(time.Hour - time.Millisecond)
		again, err := once(w, "K", input)
		require.NoError(t, err)
		require.True(t, again.Repeated)
		require.Equal(t, first.Secret.Reveal(), again.Secret.Reveal())
		require.True(t, first.Body == again.Body)
		require.Equal(t, first.Secret.Reveal()[:8], w.Record("personal_access_token.secret_repeated").Details["key_prefix"])
		if used {
			w.Allowed(first.Secret, rekeytest.Home)
		} else {
			w.Advance(time.Millisecond)
		}
		again, err = once(w, "K", input)
		require.NoError(t, err)
		require.True(t, again.Withheld && again.Secret.IsZero())

		other := input
		other.MSPName = "Southwind"
		_, err = once(w, "K", other)
		require.True(t, fault.Is(err, fault.IdempotencyMismatch), "%v", err)
		_, err = once(w, "another", input)
		require.True(t, fault.Is(err, fault.AlreadySetUp), "%v", err)
		other = input
		other.Code = "wrong"
		_, err = once(w, "K", other)
		require.True(t, fault.Is(err, fault.AlreadySetUp), "the key is honoured within the scope of the code: %v", err)
		w.Advance(idempotency.KeptFor)
		_, err = once(w, "K", input)
		require.True(t, fault.Is(err, fault.AlreadySetUp), "%v", err)
		w.Record(audit.SetupCompleted)
	}
}

func TestSetUp_ARevokedTokenIsNotGivenAgain_B6(t *testing.T) {
	w := rekeytest.Empty(t)
	first, err := once(w, "K", input)
	require.NoError(t, err)
	require.NoError(t, w.Status.Revoke(w.Ctx, first.Secret, "", w.Origin(rekeytest.Away)))
	again, err := once(w, "K", input)
	require.NoError(t, err)
	require.True(t, again.Withheld && again.Secret.IsZero())
}

func TestSetUp_SimultaneousRepeatsHaveOneEffectAndOneAnswer_B6(t *testing.T) {
	w := rekeytest.Empty(t)
	var other rekeytest.Answer
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" {
			w.Store.Hook = nil
			var err error
			other, err = once(w, "K", input)
			require.NoError(t, err)
		}
	}
	mine, err := once(w, "K", input)
	require.NoError(t, err)
	require.True(t, mine.Repeated)
	require.Equal(t, other.Secret.Reveal(), mine.Secret.Reveal())
	w.Record(audit.SetupCompleted)
}

func TestSetUp_AFaultAtAnyCallOfTheStoreEndsInOneEffectAndOneSecret_W9_B6(t *testing.T) {
	w := rekeytest.Empty(t)
	calls := w.Calls(func() {
		_, err := once(w, "K", input)
		require.NoError(t, err)
	})
	require.Equal(t, []string{"Idempotency", "MSP", "Commit"}, calls)
	for n := range calls {
		for _, mode := range memstore.Modes {
			w := rekeytest.Empty(t)
			w.Store.Fail(n+1, mode)
			first, err := once(w, "K", input)
			if calls[n] == "MSP" && mode == memstore.After { // there is none yet: that is the answer, and no failure
				require.NoError(t, err)
				continue
			}
			require.True(t, fault.Is(err, fault.Unavailable), "%s failed %s: %v", calls[n], mode, err)
			require.True(t, first.Secret.IsZero())
			again, err := once(w, "K", input)
			require.NoError(t, err)
			w.Wins(again.Secret)
			third, err := once(w, "K", input)
			require.NoError(t, err)
			require.Equal(t, again.Secret.Reveal(), third.Secret.Reveal())
			w.Record(audit.SetupCompleted)
		}
	}
}

// deaf is a set-up code that cannot be read.
type deaf struct{}

func (deaf) Check(context.Context, string) (bool, error) {
	return false, fault.Down(errors.New("throttled"))
}

func TestSetUp_IsUnavailableWhileTheCodeOrAKeyCannotBeRead_W9(t *testing.T) {
	w := rekeytest.Empty(t)
	for _, ring := range []*rekeytest.Ring{w.Peppers, w.Derivation} {
		ring.Break(true)
		_, err := once(w, "K", input)
		require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
		ring.Break(false)
	}
	code := w.Setup.Code
	w.Setup.Code = deaf{}
	_, err := once(w, "K", input)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	w.Setup.Code = code
	_, err = once(w, "K", input)
	require.NoError(t, err)
}

func TestRecover_IssuesANewTokenForAnOwner_W9(t *testing.T) {
	w := rekeytest.New(t)
	out, err := w.Setup.Recover(w.Ctx, "OWNER@example.com", "aws-req-1")
	require.NoError(t, err)
	w.Note(out.Secret)
	require.Equal(t, w.Owner.Employee.ID, out.Employee.ID)
	require.Equal(t, w.MSP, out.MSP)
	require.NotEqual(t, w.Owner.Token.ID, out.Token.ID)
	require.Equal(t, w.Now().Add(90*24*time.Hour), out.Token.ExpiresAt)
	w.Allowed(out.Secret, rekeytest.Home)
	w.Loses(w.Owner.Secret) // whoever has the old ones is nobody any more
	e := w.Record(audit.RecoveryUsed)
	require.Equal(t, audit.System, e.Actor.Type)
	require.Equal(t, string(out.Token.ID), e.Target.ID)
	require.Equal(t, "aws-req-1", e.Details["aws_request_id"])
	require.Equal(t, "aws-req-1", e.RequestID)
}

func TestRecover_TakesPasskeysAndSessionsAwayWithTheSameChange_W9(t *testing.T) {
	w := rekeytest.New(t)
	require.True(t, w.Owner.Token.Enrols, "the token of set-up")
	old := w.Owner.Employee
	enrolled := old
	enrolled.Passkeys, enrolled.Revision, enrolled.EventSeq = []id.Credential{"cred_00000000000000000001"}, old.Revision+1, 1
	w.Commit(w.Happened("employee", string(old.ID), w.Root, 1), employee.Update{Old: old, New: enrolled})
	var asked []id.Credential
	w.Setup.Passkeys = func(_ context.Context, e employee.Employee) ([]change.Write, error) {
		asked = e.Passkeys
		return nil, nil
	}
	w.Store.Hook = func(_ int, method string) {
		if method == "Commit" { // the owner signs in, and enrols another, at the same moment
			w.Store.Hook = nil
			next := enrolled
			next.Passkeys, next.Revision, next.EventSeq = append(next.Passkeys, "cred_00000000000000000002"), enrolled.Revision+1, 2
			w.Commit(w.Happened("employee", string(old.ID), w.Root, 2), employee.Update{Old: enrolled, New: next})
		}
	}
	out, err := w.Setup.Recover(w.Ctx, "owner@example.com", "aws-req-1")
	require.NoError(t, err)
	w.Note(out.Secret)
	require.True(t, out.Token.Enrols)
	require.Len(t, asked, 2, "those that are there when it happens")
	now, err := w.Mem.Employee(w.Ctx, old.ID)
	require.NoError(t, err)
	require.Empty(t, now.Passkeys)
	require.Equal(t, old.SessionEpoch+1, now.SessionEpoch)
	require.EqualValues(t, 2, w.Record(audit.RecoveryUsed).Details["passkeys_removed"])
}

func TestRecover_IsForActiveOwnersOnly_W9(t *testing.T) {
	w := rekeytest.New(t)
	for email, kind := range map[string]fault.Kind{"Admin@example.com": fault.Conflict, "nobody@example.com": fault.NotFound, "": fault.NotFound} {
		require.Zero(t, w.Changed(func() {
			out, err := w.Setup.Recover(w.Ctx, email, "aws-req-1")
			require.True(t, fault.Is(err, kind), "%s: %v", email, err)
			require.True(t, out.Secret.IsZero())
		}))
	}
	_, err := rekeytest.Empty(t).Setup.Recover(context.Background(), "owner@example.com", "aws-req-1")
	require.True(t, fault.Is(err, fault.NotFound), "before set-up there is nobody: %v", err)
}

func TestRecover_AFaultAtAnyCallOfTheStoreShowsNoSecret_W9(t *testing.T) {
	w := rekeytest.New(t)
	calls := w.Calls(func() {
		_, err := w.Setup.Recover(w.Ctx, "owner@example.com", "r")
		require.NoError(t, err)
	})
	for n := range calls {
		for _, mode := range memstore.Modes {
			w := rekeytest.New(t)
			w.Store.Fail(n+1, mode)
			out, err := w.Setup.Recover(w.Ctx, "owner@example.com", "r")
			require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
			require.True(t, out.Secret.IsZero(), "%s failed %s", calls[n], mode)
			w.Store.Settle()
			require.LessOrEqual(t, len(w.Records(audit.RecoveryUsed)), 1)
		}
	}
}
