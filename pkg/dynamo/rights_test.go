package dynamo_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/billing"
	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/delivery"
	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/grant"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/keystatus"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/notice"
	"github.com/rekey-dev/rekey/pkg/onetime"
	"github.com/rekey-dev/rekey/pkg/passkey"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/setup"
	"github.com/rekey-dev/rekey/pkg/staff"
	"github.com/rekey-dev/rekey/pkg/sweep"
	"github.com/rekey-dev/rekey/pkg/tenancy"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/tree"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verification"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// watch notes which actions reach which table.
type watch struct {
	dynamo.API
	mu     sync.Mutex
	tables map[string]string // physical name → noun
	used   map[string]map[string]bool
}

func (w *watch) note(table, action string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	noun := w.tables[table]
	if w.used[noun] == nil {
		w.used[noun] = map[string]bool{}
	}
	w.used[noun][action] = true
}

func (w *watch) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	w.note(*in.TableName, "GetItem")
	return w.API.GetItem(ctx, in, o...)
}

func (w *watch) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	for table := range in.RequestItems {
		w.note(table, "BatchGetItem")
	}
	return w.API.BatchGetItem(ctx, in, o...)
}

func (w *watch) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	if in.IndexName != nil {
		w.mu.Lock()
		w.tables[*in.TableName+" "+*in.IndexName] = "Due"
		w.mu.Unlock()
		w.note(*in.TableName+" "+*in.IndexName, "Query")
		return w.API.Query(ctx, in, o...)
	}
	w.note(*in.TableName, "Query")
	return w.API.Query(ctx, in, o...)
}

func (w *watch) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	w.note(*in.TableName, "UpdateItem")
	return w.API.UpdateItem(ctx, in, o...)
}

func (w *watch) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	for _, i := range in.TransactItems {
		switch {
		case i.Put != nil:
			w.note(*i.Put.TableName, "PutItem")
		case i.Update != nil:
			w.note(*i.Update.TableName, "UpdateItem")
		case i.Delete != nil:
			w.note(*i.Delete.TableName, "DeleteItem")
		case i.ConditionCheck != nil:
			w.note(*i.ConditionCheck.TableName, "ConditionCheckItem")
		}
	}
	return w.API.TransactWriteItems(ctx, in, o...)
}

// ring is one fixed key.
type ring struct{}

var ringKey = []byte("0123456789012345678901234567890123456789012")

func (ring) Current(context.Context) (string, []byte, error)   { return "v1", ringKey, nil }
func (ring) Key(context.Context, string) ([]byte, bool, error) { return ringKey, true, nil }
func (ring) All(context.Context) (map[string][]byte, error) {
	return map[string][]byte{"v1": ringKey}, nil
}
func (ring) Check(context.Context, string) (bool, error) { return true, nil }

// atOnce delivers without a secret store.
type atOnce struct{}

func (atOnce) Accept(context.Context, delivery.Plan) error { return nil }

func (atOnce) Deliver(ctx context.Context, p delivery.Plan, w delivery.Work) (delivery.Receipt, error) {
	if w.Activated {
		return delivery.Receipt{Version: p.Version}, nil
	}
	secret, err := w.Mint(ctx)
	if err != nil {
		return delivery.Receipt{}, err
	}
	return delivery.Receipt{Version: p.Version}, w.Activate(ctx, secret, "")
}

func (atOnce) Withdraw(context.Context, delivery.Plan) error { return nil }
func (atOnce) TakeBack(context.Context, delivery.Plan) error { return nil }

// lostAnswer loses the next transaction's answer, so that the store reads back what became of it.
type lostAnswer struct {
	dynamo.API
	armed bool
}

func (l *lostAnswer) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	out, err := l.API.TransactWriteItems(ctx, in, o...)
	if l.armed && err == nil {
		return nil, context.DeadlineExceeded
	}
	return out, err
}

// postbox takes every letter.
type postbox struct{}

func (postbox) Send(context.Context, notice.Letter) (string, error) { return "id", nil }

func to[T any](v T) *T { return &v }

// The emulator enforces no policy, so this is where the roles of the template are held against what the functions do: every
// operation of each runs against a table, and the actions that reach DynamoDB are exactly those that its role allows.
func TestRights_EachFunctionUsesWhatItsRoleAllowsAndNothingElse(t *testing.T) {
	d := deploy(t)
	lose := &lostAnswer{API: d.client}
	w := &watch{API: lose, tables: map[string]string{d.tables.Identity: "Identity", d.tables.Directory: "Directory",
		d.tables.Audit: "Audit", d.tables.Transient: "Transient"}}
	store := dynamo.New(w, d.tables, fold.Name).WithSleep(noSleep)
	now := time.Now().UTC().Truncate(time.Second)
	clock := func() time.Time { return now }
	one := 1
	packages := billing.Catalogue{Packages: []billing.Package{{ID: "tiny", Limits: billing.Limits{Keys: &one}}}}
	coins := &mint.Mint{Peppers: ring{}, Derivation: ring{}, Rand: rand.Reader}
	keys := &apikey.Service{Store: store, Mint: coins, Fold: fold.Name, Now: clock, Rand: rand.Reader, KeyLimit: packages.Keys}
	accounts := &serviceaccount.Service{Store: store, Keys: keys, Fold: fold.Name, Now: clock, Rand: rand.Reader, LockAt: policy.LockAt(store)}
	judge := &verify.Verifier{Store: store, Peppers: ring{}, Now: clock, Rand: rand.Reader, Policy: lock.Policy{Threshold: 3, Window: time.Minute, Duration: time.Hour}}
	status := &keystatus.Service{Judge: judge, Keys: keys, Tokens: &accesstoken.Service{Store: store, Now: clock, Rand: rand.Reader}}
	first := &setup.Service{Store: store, Code: ring{}, Mint: coins, Passkeys: passkey.Ends(store), Now: clock, Rand: rand.Reader}
	got := map[string]map[string][]string{}
	during := func(function string, do func()) {
		w.used = map[string]map[string]bool{}
		do()
		got[function] = map[string][]string{}
		for table, actions := range w.used {
			for a := range actions {
				got[function][table] = append(got[function][table], a)
			}
			slices.Sort(got[function][table])
		}
	}
	ok := func(_ any, err error) { t.Helper(); require.NoError(t, err) }
	fails := func(_ any, err error) { t.Helper(); require.Error(t, err) }
	lost := func(do func()) { lose.armed = true; do(); lose.armed = false }
	aside := func(do func()) { used := w.used; do(); w.used = used }

	var made setup.Result
	during("SetupFunction", func() {
		var err error
		_, _ = store.Idempotency(t.Context(), "s", now)
		made, err = first.SetUp(t.Context(), repeatable("s"), audit.Request{}, setup.Input{Code: "c", MSPName: "M", Email: "a@example.com", FirstName: "A", LastName: "B"})
		require.NoError(t, err)
		record, err := store.Idempotency(t.Context(), "s", now)
		require.NoError(t, err)
		ok(first.Repeat(t.Context(), audit.Request{}, *record))
		fails(first.SetUp(t.Context(), nil, audit.Request{}, setup.Input{Code: "c"}))
		aside(func() { w.used = map[string]map[string]bool{}; givePasskey(t, store, made.Employee.ID, now) })
		lost(func() {
			recovered, err := first.Recover(t.Context(), "a@example.com", "r")
			require.NoError(t, err)
			made.Token, made.Secret = recovered.Token, recovered.Secret // that of set-up has ended with it
		})
	})
	caller := authz.Caller{Type: audit.Employee, ID: string(made.Employee.ID), Name: "A B", KeyID: string(made.Token.ID), KeyPrefix: made.Token.Prefix(),
		Auth: "secret", RoleID: role.Owner, Place: made.Employee.Place, Role: permission.All, Effective: permission.All}
	c := call.Call{Caller: caller, Route: "POST /x"}
	narrow := c
	narrow.Caller.Effective = permission.Of(permission.KeysIssue, permission.ServiceAccountsRead)

	delivering := &rotation.Service{Store: store, Keys: keys, Mint: coins, Terms: rotation.Under(store), Courier: atOnce{}, Now: clock, Rand: rand.Reader}
	consumers := delivery.Target{Type: delivery.SecretsManager, SecretID: "exporter"}
	var within company.Company
	var inside serviceaccount.View
	during("CompaniesFunction", func() {
		companies := &tenancy.Service{Store: store, Packages: packages, Now: clock, Rand: rand.Reader}
		in := tenancy.New{Node: made.Node.ID, Name: "Acme", PackageID: "tiny", Owner: company.Owner{FirstName: "G", LastName: "H", Email: "g@example.com"}}
		_, _ = store.Idempotency(t.Context(), "co", now)
		with := c
		with.Idempotency = repeatable("co")
		var err error
		within, err = companies.Create(t.Context(), with, in)
		require.NoError(t, err)
		fails(companies.Create(t.Context(), c, in))
		fails(companies.Create(t.Context(), narrow, in))
		ok(companies.Get(t.Context(), c, within.ID))
		for _, f := range []tenancy.Filter{{}, {Status: company.Active}, {Query: string(within.ID)}} {
			_, _, err = companies.List(t.Context(), c, listing.Where{Node: made.Node.ID}, f, "", 50)
			require.NoError(t, err)
		}
		renamed := "Globex"
		lost(func() { ok(companies.Patch(t.Context(), c, within.ID, tenancy.Patch{Name: &renamed})) })
		ok(companies.Suspend(t.Context(), c, within.ID, ""))
		ok(companies.Resume(t.Context(), c, within.ID, ""))
		before := w.used
		w.used = map[string]map[string]bool{}
		inside, err = accounts.Create(t.Context(), c, serviceaccount.New{Name: "inside", Company: within.ID})
		require.NoError(t, err)
		w.used = before
		fails(nil, companies.Delete(t.Context(), c, within.ID))
		in.Name = "Initech"
		other, err := companies.Create(t.Context(), c, in)
		require.NoError(t, err)
		require.NoError(t, companies.Delete(t.Context(), c, other.ID))
	})

	var account serviceaccount.View
	var shown apikey.Shown
	during("ServiceAccountsFunction", func() {
		with := c
		with.Idempotency = repeatable("create")
		_, _ = store.Idempotency(t.Context(), "create", now)
		var err error
		account, err = accounts.Create(t.Context(), with, serviceaccount.New{Name: "exporter", Node: made.Node.ID, Contacts: []string{"a@example.com"}})
		require.NoError(t, err)
		fails(accounts.Create(t.Context(), c, serviceaccount.New{Name: "Exporter", Node: made.Node.ID}))
		fails(accounts.Create(t.Context(), c, serviceaccount.New{Name: "x", Company: id.New[id.Company](rand.Reader)}))
		ok(accounts.Create(t.Context(), c, serviceaccount.New{Name: "x", Company: within.ID}))
		fails(accounts.Create(t.Context(), c, serviceaccount.New{Name: "x", Node: made.Node.ID, RoleID: id.New[id.Role](rand.Reader)}))
		fails(accounts.Create(t.Context(), narrow, serviceaccount.New{Name: "y", Node: made.Node.ID}))
		renamed, empty := "bridge", ""
		lost(func() { ok(accounts.Patch(t.Context(), c, account.Account.ID, serviceaccount.Patch{Name: &renamed})) })
		ok(accounts.Patch(t.Context(), c, account.Account.ID, serviceaccount.Patch{Description: &renamed}))
		none := []string{}
		ok(accounts.Patch(t.Context(), c, account.Account.ID, serviceaccount.Patch{Description: &empty, Contacts: &none}))
		fails(keys.Rotate(t.Context(), c, account.Account.ID, apikey.Rotate{}))
		issued(t, keys, c, account.Account.ID)
		with.Idempotency = repeatable("rotate")
		shown, err = keys.Rotate(t.Context(), with, account.Account.ID, apikey.Rotate{})
		require.NoError(t, err)
		record, err := store.Idempotency(t.Context(), "rotate", now)
		require.NoError(t, err)
		ok(keys.Repeat(t.Context(), c, *record))
		ok(delivering.RotateAccountTo(t.Context(), c, account.Account.ID, apikey.Rotate{}, consumers))
		issued(t, keys, c, account.Account.ID)
		ok(delivering.RotateAccountTo(t.Context(), c, account.Account.ID, apikey.Rotate{All: true}, consumers))
		issued(t, keys, c, account.Account.ID)
		shown, err = keys.Rotate(t.Context(), c, account.Account.ID, apikey.Rotate{All: true})
		require.NoError(t, err)
		with.Idempotency = repeatable("unlock")
		ok(accounts.Unlock(t.Context(), with, account.Account.ID))
		ok(accounts.Get(t.Context(), c, account.Account.ID))
		ok(accounts.List(t.Context(), c, listing.Where{Node: made.Node.ID}, serviceaccount.Filter{}, "", 50))
		custom, set := newRole("Reader of keys", made.Node.Place, permission.Of(permission.KeysRead))
		mine := w.used
		w.used = map[string]map[string]bool{}
		require.NoError(t, store.Commit(t.Context(), set))
		w.used = mine
		other, err := accounts.Create(t.Context(), c, serviceaccount.New{Name: "other", Node: made.Node.ID, RoleID: custom.ID})
		require.NoError(t, err)
		ok(accounts.Revoke(t.Context(), c, other.Account.ID, "gone"))
		require.NoError(t, accounts.Delete(t.Context(), c, other.Account.ID))
	})

	during("KeysFunction", func() {
		_, _ = store.Idempotency(t.Context(), "k", now)
		with := c
		with.Idempotency = repeatable("k")
		in := apikey.Issue{Name: "k", ExpiresAt: apikey.Expiry{Given: true, At: now.Add(time.Hour)}}
		issuedKey, err := keys.Issue(t.Context(), with, account.Account.ID, in)
		require.NoError(t, err)
		k := issuedKey.View.Key.ID
		record, err := store.Idempotency(t.Context(), "k", now)
		require.NoError(t, err)
		ok(keys.Repeat(t.Context(), c, *record))
		fails(keys.Issue(t.Context(), narrow, account.Account.ID, apikey.Issue{Name: "k"}))
		issued(t, keys, c, inside.Account.ID)
		fails(keys.Issue(t.Context(), c, inside.Account.ID, apikey.Issue{Name: "one too many"}))
		ok(keys.OfAccount(t.Context(), c, account.Account.ID, "", 50))
		ok(keys.OfAccountByName(t.Context(), c, account.Account.ID, apikey.Filter{}, "", 50))
		ok(keys.List(t.Context(), c, listing.Where{Node: made.Node.ID}, apikey.Filter{}, "", 50))
		ok(keys.Get(t.Context(), c, k))
		ok(keys.Usage(t.Context(), c, k, usage.Query{Limit: 10}))
		renamed := "key"
		lost(func() {
			ok(keys.Patch(t.Context(), c, k, apikey.Patch{Name: &renamed, ExpiresAt: apikey.Expiry{Given: true}}))
		})
		ok(keys.Deactivate(t.Context(), c, k))
		ok(keys.Activate(t.Context(), c, k))
		ok(keys.Regenerate(t.Context(), c, k, apikey.Expiry{}, false))
		with.Idempotency = repeatable("delivered")
		ok(delivering.IssueTo(t.Context(), with, account.Account.ID, apikey.Issue{Name: "delivered"}, consumers))
		for range 2 {
			ok(delivering.RegenerateTo(t.Context(), c, k, apikey.Expiry{}, true, consumers))
		}
		ok(keys.Revoke(t.Context(), c, k, "", ""))
	})

	during("RotationsFunction", func() {
		rotate := &rotation.Service{Store: store, Keys: keys, Mint: coins, Terms: rotation.Under(store), Now: clock, Rand: rand.Reader}
		k := issued(t, keys, c, account.Account.ID).View.Key.ID
		live, err := store.LiveKeys(t.Context(), inside.Account, now)
		require.NoError(t, err)
		ok(rotate.Rotate(t.Context(), c, live[0].ID, rotation.Start{Mode: rotation.Overlap}))
		_, _ = store.Idempotency(t.Context(), "rot", now)
		with := c
		with.Idempotency = repeatable("rot")
		begun, err := rotate.Rotate(t.Context(), with, k, rotation.Start{Mode: rotation.Overlap, ExpiresAt: apikey.Expiry{Given: true, At: now.Add(48 * time.Hour)}})
		require.NoError(t, err)
		record, err := store.Idempotency(t.Context(), "rot", now)
		require.NoError(t, err)
		ok(keys.Repeat(t.Context(), c, *record))
		fails(rotate.Rotate(t.Context(), c, k, rotation.Start{Mode: rotation.Overlap}))
		fails(rotate.Rotate(t.Context(), narrow, k, rotation.Start{Mode: rotation.Overlap}))
		_, _, err = rotate.List(t.Context(), c, listing.Where{Node: made.Node.ID}, "", rotation.Filter{}, "", 50)
		require.NoError(t, err)
		ok(rotate.Get(t.Context(), c, begun.View.Rotation.ID))
		ok(rotate.Report(t.Context(), c, begun.View.Rotation.ID))
		ok(rotate.Extend(t.Context(), c, begun.View.Rotation.ID, begun.View.Rotation.OverlapEndsAt.Add(time.Hour)))
		lost(func() { ok(rotate.Cancel(t.Context(), c, begun.View.Rotation.ID, false)) })
		begun, err = rotate.Rotate(t.Context(), c, k, rotation.Start{Mode: rotation.Overlap})
		require.NoError(t, err)
		ok(rotate.Complete(t.Context(), c, begun.View.Rotation.ID))
		_, err = rotate.Rotate(t.Context(), c, begun.View.New.Key.ID, rotation.Start{Mode: rotation.Immediate})
		require.NoError(t, err)
		_, err = rotate.Rotate(t.Context(), c, begun.View.New.Key.ID, rotation.Start{Mode: rotation.Emergency})
		require.NoError(t, err)
	})

	during("NodesFunction", func() {
		nodes := &tree.Service{Store: store, Now: clock, Rand: rand.Reader}
		_, _ = store.Idempotency(t.Context(), "node", now)
		with := c
		with.Idempotency = repeatable("node")
		n, err := nodes.Create(t.Context(), with, tree.New{Parent: made.Node.ID, Name: "South"})
		require.NoError(t, err)
		fails(nodes.Create(t.Context(), c, tree.New{Parent: made.Node.ID, Name: "South"}))
		fails(nodes.Create(t.Context(), narrow, tree.New{Parent: made.Node.ID, Name: "South"}))
		ok(nodes.Get(t.Context(), c, n.ID))
		for _, f := range []tree.Filter{{}, {Parent: made.Node.ID}, {Query: string(n.ID)}} {
			_, _, err = nodes.List(t.Context(), c, f, "", 50)
			require.NoError(t, err)
		}
		renamed := "North"
		lost(func() { ok(nodes.Rename(t.Context(), c, n.ID, &renamed)) })
		require.NoError(t, nodes.Delete(t.Context(), c, n.ID))
	})

	during("ProtectedAPIsFunction", func() {
		apis := &protectedapi.Service{Store: store, Now: clock, Rand: rand.Reader}
		_, _ = store.Idempotency(t.Context(), "api", now)
		with := c
		with.Idempotency = repeatable("api")
		in := protectedapi.New{Node: made.Node.ID, Name: "Recordings", Slug: "recordings", GatewayID: "a1b2c3d4e5", Stage: "prod",
			Scopes: []protectedapi.Scope{{Name: "recordings:read", Kind: permission.Read}}}
		a, err := apis.Register(t.Context(), with, in)
		require.NoError(t, err)
		fails(apis.Register(t.Context(), c, in))
		in.Stage = "test"
		fails(apis.Register(t.Context(), c, in))
		fails(apis.Register(t.Context(), narrow, in))
		ok(apis.Get(t.Context(), c, a.ID))
		for _, q := range []string{"", string(a.ID)} {
			_, _, err = apis.List(t.Context(), c, listing.Where{Node: made.Node.ID}, q, "", 50)
			require.NoError(t, err)
		}
		stage, renamed := "v2", "Recorder"
		lost(func() { ok(apis.Patch(t.Context(), c, a.ID, protectedapi.Patch{Stage: &stage, Name: &renamed})) })
		require.NoError(t, apis.Delete(t.Context(), c, a.ID))
		in.Name, in.Slug, in.Scopes = "Alerts", "alerts", []protectedapi.Scope{{Name: "alerts:read", Kind: permission.Read}}
		ok(apis.Register(t.Context(), c, in))
	})

	during("RolesFunction", func() {
		roles := &grant.Service{Store: store, Fold: fold.Name, Now: clock, Rand: rand.Reader}
		_, _ = store.Idempotency(t.Context(), "role", now)
		with := c
		with.Idempotency = repeatable("role")
		in := grant.New{Node: made.Node.ID, Name: "Reader", Permissions: []string{"keys:read"}}
		r, err := roles.Create(t.Context(), with, in)
		require.NoError(t, err)
		fails(roles.Create(t.Context(), c, in))
		fails(roles.Create(t.Context(), narrow, in))
		ok(roles.Get(t.Context(), c, r.ID))
		for _, f := range []grant.Filter{{}, {Node: made.Node.ID, Direct: true}, {Query: string(r.ID)}} {
			_, _, err = roles.List(t.Context(), c, f, "", 50)
			require.NoError(t, err)
		}
		partly := c
		partly.Caller.Effective = permission.Of(permission.RolesCreate)
		alerts := grant.New{Node: made.Node.ID, Name: "Alerter", Permissions: []string{"alerts:read"}}
		ok(roles.Create(t.Context(), partly, alerts))
		partly.Caller.RoleID = r.ID
		fails(roles.Create(t.Context(), partly, alerts))
		renamed := "Auditor"
		lost(func() { ok(roles.Patch(t.Context(), c, r.ID, grant.Patch{Name: &renamed})) })
		ok(roles.Patch(t.Context(), c, r.ID, grant.Patch{Description: &renamed, AssignableTo: &[]role.Assignee{role.ServiceAccount}}))
		require.NoError(t, roles.Delete(t.Context(), c, r.ID))
	})

	during("BillingFunction", func() {
		companies := &tenancy.Service{Store: store, Packages: packages, Now: clock, Rand: rand.Reader}
		for _, co := range []id.Company{"", within.ID} {
			ok(companies.Usage(t.Context(), c, co, tenancy.Month{}, "", 50))
		}
	})

	during("PersonalAccessTokensFunction", func() {
		tokens := &accesstoken.Service{Store: store, Mint: coins, Now: clock, Rand: rand.Reader}
		_, _ = store.Idempotency(t.Context(), "token", now)
		with := c
		with.Idempotency = repeatable("token")
		own, err := tokens.Create(t.Context(), with, accesstoken.New{Name: "laptop"})
		require.NoError(t, err)
		record, err := store.Idempotency(t.Context(), "token", now)
		require.NoError(t, err)
		ok(tokens.Repeat(t.Context(), c, *record))
		fails(tokens.Create(t.Context(), narrow, accesstoken.New{Name: "laptop"}))
		ok(tokens.Get(t.Context(), c, own.Token.ID))
		for _, f := range []accesstoken.Filter{{}, {Employee: made.Employee.ID}, {Query: string(own.Token.ID)}} {
			_, _, err = tokens.List(t.Context(), c, f, "", 50)
			require.NoError(t, err)
		}
		lost(func() { require.NoError(t, tokens.Revoke(t.Context(), c, own.Token.ID)) })
	})

	during("EmployeesFunction", func() {
		codes := &onetime.Service{Store: store, Mint: coins, Now: clock, Rand: rand.Reader}
		team := &staff.Service{Store: store, Codes: codes, Mail: postbox{}, Passkeys: passkey.Ends(store), Seats: to(3), Now: clock, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)}
		before := w.used
		w.used = map[string]map[string]bool{}
		custom, given := newRole("Given", made.Node.Place, permission.Of(permission.KeysRead))
		given.Writes[0] = role.Create{Role: func() role.Custom { custom.AssignableTo = []role.Assignee{role.Employee}; return custom }()}
		require.NoError(t, store.Commit(t.Context(), given))
		w.used = before
		_, _ = store.Idempotency(t.Context(), "staff", now)
		with := c
		with.Idempotency = repeatable("staff")
		in := staff.New{Node: made.Node.ID, Email: "g@example.com", FirstName: "G", LastName: "H", RoleID: custom.ID}
		invited, err := team.Invite(t.Context(), with, in)
		require.NoError(t, err)
		fails(team.Invite(t.Context(), c, in))
		fails(team.Invite(t.Context(), narrow, in))
		ok(team.Get(t.Context(), c, invited.ID))
		for _, f := range []staff.Filter{{}, {Email: "G@example.com"}, {Query: string(invited.ID)}} {
			_, _, err = team.List(t.Context(), c, listing.Where{Node: made.Node.ID}, f, "", 50)
			require.NoError(t, err)
		}
		renamed := "h@example.com"
		lost(func() { ok(team.Patch(t.Context(), c, invited.ID, staff.Patch{Email: &renamed, LastName: &renamed})) })
		ok(team.Resend(t.Context(), c, invited.ID))
		ok(team.Revoke(t.Context(), c, invited.ID))
		fails(nil, team.Delete(t.Context(), c, made.Employee.ID))
	})

	people := &staffed{t: t, store: store, coins: coins, clock: clock, owner: made.Employee.ID, c: c}
	people.invite(made.Node.Place)
	during("CredentialsFunction", func() { people.enrol(lost) })
	during("SessionsFunction", func() { people.signIn(within.ID, narrow) })

	during("CalendarsFunction", func() {
		calendars := &calendar.Service{Store: store, Now: clock, Rand: rand.Reader}
		one := []calendar.Event{{UID: "1", Start: now}}
		in := calendar.New{Name: "Freezes", Node: made.Node.ID, Kind: calendar.Freeze, Zone: "UTC", Source: calendar.Source{Events: &one}}
		_, _ = store.Idempotency(t.Context(), "cal", now)
		with := c
		with.Idempotency = repeatable("cal")
		cal, err := calendars.Create(t.Context(), with, in)
		require.NoError(t, err)
		fails(calendars.Create(t.Context(), c, in))
		fails(calendars.Create(t.Context(), narrow, in))
		fails(calendars.Create(t.Context(), c, calendar.New{Name: "x", Company: id.New[id.Company](rand.Reader), Kind: calendar.Freeze, Zone: "UTC"}))
		ok(calendars.Get(t.Context(), c, cal.ID))
		_, _, err = calendars.List(t.Context(), c, listing.Where{Node: made.Node.ID}, calendar.Filter{}, "", 50)
		require.NoError(t, err)
		renamed, none := "Windows", []calendar.Event{}
		lost(func() { ok(calendars.Patch(t.Context(), c, cal.ID, calendar.Patch{Name: &renamed})) })
		ok(calendars.Patch(t.Context(), c, cal.ID, calendar.Patch{Source: calendar.Source{Events: &none}}))
		require.NoError(t, calendars.Delete(t.Context(), c, cal.ID))
	})

	during("SweeperFunction", func() {
		rotate := &rotation.Service{Store: store, Keys: keys, Mint: coins, Terms: rotation.Under(store), Now: clock, Rand: rand.Reader}
		s := &sweep.Sweeper{Store: store, Leases: store, Keys: keys, Rotations: rotate, Terms: rotation.Under(store), Shards: dynamo.DueShards, Now: clock, Rand: rand.Reader,
			Log: slog.New(slog.DiscardHandler)}
		before := w.used
		w.used = map[string]map[string]bool{}
		back := now
		for _, mode := range []rotation.Mode{rotation.Overlap, rotation.Overlap} {
			k, err := keys.Issue(t.Context(), c, account.Account.ID, apikey.Issue{Name: "k", ExpiresAt: apikey.Expiry{Given: true, At: now.Add(48 * time.Hour)}})
			require.NoError(t, err)
			begun, err := rotate.Rotate(t.Context(), c, k.View.Key.ID, rotation.Start{Mode: mode, Overlap: time.Hour})
			require.NoError(t, err)
			ok(keys.Revoke(t.Context(), c, begun.View.New.Key.ID, "", ""))
		}
		begun, err := rotate.Rotate(t.Context(), c, issued(t, keys, c, account.Account.ID).View.Key.ID, rotation.Start{Mode: rotation.Overlap, Overlap: time.Hour})
		require.NoError(t, err)
		require.NotEmpty(t, begun.View.Rotation.ID)
		life := "P90D"
		bound := &policy.Service{Store: store, Now: clock, Rand: rand.Reader}
		of, err := bound.Create(t.Context(), c, policy.Attachment{Kind: policy.ServiceAccount, ID: string(account.Account.ID)}, policy.Text{MaxLifetime: &life})
		require.NoError(t, err)
		everywhere, err := bound.Create(t.Context(), c, policy.Attachment{Kind: policy.Node, ID: string(made.Node.ID)}, policy.Text{MaxLifetime: &life})
		require.NoError(t, err)
		w.used = before
		ok(s.Sweep(t.Context(), "run"))
		after := w.used
		require.NoError(t, bound.Delete(t.Context(), c, of.ID))
		require.NoError(t, bound.Delete(t.Context(), c, everywhere.ID))
		w.used = after
		live, err := store.LiveKeys(t.Context(), inside.Account, now)
		require.NoError(t, err)
		ok(rotate.Rotate(t.Context(), c, live[0].ID, rotation.Start{Mode: rotation.Overlap, Force: true})) // as it rotates a company's key by the calendar
		now = now.Add(2 * time.Hour)
		lost(func() { ok(s.Sweep(t.Context(), "run")) })
		ok(s.Sweep(t.Context(), "run"))
		now = back
	})

	from := func(ip string) verify.Origin {
		return verify.Origin{Address: ip, IP: ip, RequestID: "r", API: usage.Own, Method: "GET", Route: "/keys"}
	}
	wrong := func() token.Secret {
		return token.Mint(token.ServiceAccountKey, id.Body(shown.View.Key.ID), rand.Reader)
	}
	retired := shown.Secret
	regenerated, err := keys.Regenerate(t.Context(), c, shown.View.Key.ID, apikey.Expiry{}, false)
	require.NoError(t, err)
	during("AuthorizerFunction", func() {
		use := func(s token.Secret, ip string) {
			v, err := judge.Verify(t.Context(), verify.Presented{Secret: s}, from(ip))
			require.NoError(t, err)
			require.Equal(t, verify.Allow, v.Class)
			judge.Used(t.Context(), v, s, from(ip))
		}
		lost(func() { use(made.Secret, "192.0.2.1") })
		use(regenerated.Secret, "192.0.2.1")
		now = now.Add(24 * time.Hour)
		use(regenerated.Secret, "192.0.2.1")
		ok(judge.Verify(t.Context(), verify.Presented{Secret: retired}, from("192.0.2.1")))
		for range 4 {
			ok(judge.Verify(t.Context(), verify.Presented{Secret: wrong()}, from("192.0.2.9")))
		}
		ok(store.Verifier.CustomRole(t.Context(), id.New[id.Role](rand.Reader)))
		require.NoError(t, judge.Denied(t.Context(), audit.Event{At: now, Action: "user.updated", Actor: caller.Actor(), Place: caller.Place,
			Outcome: audit.Denied, Target: audit.Target{Type: "key", ID: "k"}}, "POST /x"))
	})

	other, err := accounts.Create(t.Context(), c, serviceaccount.New{Name: "other", Node: made.Node.ID})
	require.NoError(t, err)
	old := issued(t, keys, c, other.Account.ID) // of an epoch that has ended
	issued(t, keys, c, other.Account.ID)
	ok(keys.Rotate(t.Context(), c, other.Account.ID, apikey.Rotate{All: true}))
	during("KeyStatusFunction", func() {
		judge := &verify.Verifier{Store: store, Peppers: ring{}, Now: clock, Rand: rand.Reader, Policy: judge.Policy}
		status.Judge = judge
		ok(status.Status(t.Context(), retired, from("192.0.2.2")))
		ok(status.Status(t.Context(), wrong(), from("192.0.2.1")))
		lost(func() { require.NoError(t, status.Revoke(t.Context(), regenerated.Secret, "", from("192.0.2.1"))) })
		ok(status.Status(t.Context(), regenerated.Secret, from("192.0.2.1")))
		require.NoError(t, status.Revoke(t.Context(), made.Secret, "", from("192.0.2.1")))
		require.NoError(t, keys.RevokeHeld(t.Context(), c, old.View.Key.ID, 1, "", ""))
	})

	verified := issued(t, keys, c, other.Account.ID).Secret
	during("VerifyFunction", func() {
		gateways := &verification.Service{Store: store, Judge: &verify.Verifier{Store: verification.Counting{Store: store}, Peppers: ring{}, Now: clock,
			Rand: rand.Reader, Policy: judge.Policy}}
		ask := func(s token.Secret, ip, require string) {
			in := verification.Request{Secret: s, SourceIP: ip, Route: "GET /orders/{id}"}
			if require != "" {
				in.Require = &require
			}
			ok(gateways.Verify(t.Context(), c, in))
		}
		lost(func() { ask(verified, "192.0.2.9", "recordings:read OR keys:read") })
		ask(verified, "", "")
		ask(wrong(), "192.0.2.1", "")
	})

	freezes, err := (&calendar.Service{Store: store, Now: clock, Rand: rand.Reader}).Create(t.Context(), c,
		calendar.New{Name: "freezes", Kind: calendar.Freeze, Zone: "UTC", Node: made.Node.ID})
	require.NoError(t, err)
	policies := &policy.Service{Store: store, Now: clock, Rand: rand.Reader}
	during("RotationPoliciesFunction", func() {
		_, _ = store.Idempotency(t.Context(), "p", now)
		with := c
		with.Idempotency = repeatable("p")
		overlap := "P3D"
		p, err := policies.Create(t.Context(), with, policy.Attachment{Kind: policy.Node, ID: string(made.Node.ID)}, policy.Text{Overlap: &overlap})
		require.NoError(t, err)
		fails(policies.Create(t.Context(), c, policy.Attachment{Kind: policy.Node, ID: string(made.Node.ID)}, policy.Text{}))
		fails(policies.Create(t.Context(), c, policy.Attachment{Kind: policy.Company, ID: string(id.New[id.Company](rand.Reader))}, policy.Text{}))
		own, err := policies.Create(t.Context(), c, policy.Attachment{Kind: policy.ServiceAccount, ID: string(account.Account.ID)}, policy.Text{})
		require.NoError(t, err)
		ok(policies.List(t.Context(), c, listing.Where{Node: made.Node.ID}, "", 50))
		ok(policies.Get(t.Context(), c, p.ID))
		ok(policies.Effective(t.Context(), c, account.Account.ID))
		named, every := []string{string(freezes.ID)}, policy.ScheduleText{Every: "P90D", Zone: "UTC"}
		ok(policies.Patch(t.Context(), c, p.ID, func(t policy.Text) policy.Text { t.Calendars, t.Schedule = &named, &every; return t }))
		ok(policies.Preview(t.Context(), c, p.ID, policy.Window{Anchor: now, From: now, To: now.AddDate(1, 0, 0)}))
		lost(func() {
			ok(policies.Patch(t.Context(), c, p.ID, func(t policy.Text) policy.Text { t.Overlap = nil; return t }))
		})
		require.NoError(t, policies.Delete(t.Context(), c, own.ID))
	})
	during("MeFunction", func() {
		ok(store.MSP(t.Context()))
		ok(store.Token(t.Context(), made.Token.ID))
		ok(store.Key(t.Context(), shown.View.Key.ID))
	})
	during("AuditEventsFunction", func() {
		ok(store.Node(t.Context(), made.Node.ID))
		_, _ = store.Company(t.Context(), id.New[id.Company](rand.Reader))
		ok(store.Account(t.Context(), account.Account.ID))
		page, err := store.AuditEvents(t.Context(), audit.Query{Place: string(made.Node.ID), From: now.Add(-48 * time.Hour), To: now.Add(time.Hour), Limit: 10})
		require.NoError(t, err)
		ok(store.AuditEvent(t.Context(), page.Events[0].ID))
	})

	during("NotifierFunction", func() {
		before := w.used
		w.used = map[string]map[string]bool{}
		bare, err := accounts.Create(t.Context(), c, serviceaccount.New{Name: "nobody's", Node: made.Node.ID})
		require.NoError(t, err)
		k, err := keys.Issue(t.Context(), c, bare.Account.ID, apikey.Issue{Name: "k", ExpiresAt: apikey.Expiry{Given: true, At: now.Add(7*24*time.Hour + time.Minute)}})
		require.NoError(t, err)
		now = now.Add(2 * time.Minute)
		use := k.View.Key
		require.NoError(t, store.Use(t.Context(), verify.Use{Credential: &verify.Credential{ID: string(use.ID), Generation: 1}, At: now}))
		rotate := &rotation.Service{Store: store, Keys: keys, Mint: coins, Terms: rotation.Under(store), Now: clock, Rand: rand.Reader}
		begun, err := rotate.Rotate(t.Context(), c, use.ID, rotation.Start{Mode: rotation.Overlap, Overlap: 30 * time.Hour})
		require.NoError(t, err)
		s := &sweep.Sweeper{Store: store, Keys: keys, Rotations: rotate, Terms: rotation.Under(store), Shards: dynamo.DueShards, Now: clock, Rand: rand.Reader,
			Log: slog.New(slog.DiscardHandler)}
		now = now.Add(7 * time.Hour)
		for range 3 { // of an old key and its successor that are due at once, one is put off to the next run
			ok(s.Sweep(t.Context(), "run"))
		}
		page, err := store.AuditEvents(t.Context(), audit.Query{Place: string(made.Node.ID), From: now.Add(-time.Hour), To: now.Add(time.Hour), TargetID: string(use.ID), Limit: 10})
		require.NoError(t, err)
		page.Events = slices.DeleteFunc(page.Events, func(e audit.Event) bool { return e.Action != audit.KeyExpiring })
		require.Len(t, page.Events, 1)
		require.NotEmpty(t, begun.View.Rotation.ID)
		w.used = before

		var sent []notice.Letter
		n := &notice.Service{Store: store, Keys: keys, Now: clock, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
			Mail: mailer(func(l notice.Letter) error { sent = append(sent, l); return nil })}
		for range 2 {
			told, err := n.Hear(t.Context(), page.Events[0].ID)
			require.NoError(t, err)
			require.Equal(t, 1, told)
			now = now.Add(15 * time.Minute)
		}
		ok(n.Send(t.Context()))
		require.Len(t, sent, 1)
		require.Equal(t, "a@example.com", sent[0].To)

		before = w.used
		w.used = map[string]map[string]bool{}
		second := made.Employee
		second.ID, second.Email = draw[id.Employee](), "b@example.com"
		require.NoError(t, store.Commit(t.Context(), setOf(record("employee", string(second.ID), 1, second.Place), employee.Create{Employee: second})))
		first, err := store.Employee(t.Context(), made.Employee.ID)
		require.NoError(t, err)
		require.NoError(t, store.Commit(t.Context(), setOf(record("employee", string(first.ID), first.EventSeq+1, first.Place), employee.Delete{Old: first, At: now})))
		w.used = before
		told, err := n.Hear(t.Context(), page.Events[0].ID) // the owner who set it up is gone
		require.NoError(t, err)
		require.Equal(t, 1, told)
	})

	text, err := os.ReadFile("../repotest/testdata/rights.json")
	require.NoError(t, err)
	var allowed map[string]map[string][]string
	require.NoError(t, json.Unmarshal(text, &allowed))
	for _, tables := range allowed {
		for _, actions := range tables {
			slices.Sort(actions)
		}
	}
	require.Equal(t, allowed, got)
}

// mailer is a mail service.
type mailer func(notice.Letter) error

func (m mailer) Send(_ context.Context, l notice.Letter) (string, error) { return "m-1", m(l) }

func issued(t *testing.T, keys *apikey.Service, c call.Call, account id.ServiceAccount) apikey.Shown {
	t.Helper()
	s, err := keys.Issue(t.Context(), c, account, apikey.Issue{Name: "k"})
	require.NoError(t, err)
	return s
}
