package dynamo_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/accesstoken"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/msp"
	"github.com/rekey-dev/rekey/pkg/node"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

var now = time.Date(2031, time.May, 6, 7, 8, 9, 0, time.UTC)

func draw[T id.Kind]() T { return id.New[T](rand.Reader) }

func digest() []byte {
	b := make([]byte, token.MACLength)
	_, _ = rand.Read(b)
	return b
}

// record is a complete audit record of a change of something.
func record(noun, object string, seq int64, at place.Place) audit.Event {
	return audit.Event{ID: draw[id.Event](), Seq: seq, At: now, Action: noun + ".changed",
		Actor:  audit.Actor{Type: audit.Employee, ID: "emp_00000000000000000001", Name: "Ada Lovelace", KeyID: "pat_00000000000000000001", KeyPrefix: "rkp_0000"},
		Target: audit.Target{Type: noun, ID: object, Name: "its name"}, Place: at, SourceIP: "192.0.2.1", UserAgent: "test/1",
		RequestID: "00000000-0000-4000-8000-000000000001", Outcome: audit.OK, Operation: draw[id.Operation]()}
}

func setOf(e audit.Event, writes ...change.Write) change.Set {
	return change.Set{Operation: e.Operation, At: now, Events: []audit.Event{e}, Writes: writes}
}

// newRole is a custom role of a node, and the change that makes it.
func newRole(name string, at place.Place, holds permission.Set) (role.Custom, change.Set) {
	r := role.Custom{Role: role.Role{ID: draw[id.Role](), Name: name, Description: strings.Repeat("x", 500), Permissions: holds,
		AssignableTo: []role.Assignee{role.ServiceAccount}, NodeID: at.Node(), CreatedAt: now, UpdatedAt: now, Version: 1}, Place: at, EventSeq: 1}
	return r, setOf(record("role", string(r.ID), 1, at), role.Create{Role: r})
}

// tenant is a small world in a deployment: a provider, an owner with a token, a company, an account with a key.
type tenant struct {
	*deployment
	t       testing.TB
	root    place.Place
	company place.Place
	owner   employee.Employee
	token   accesstoken.Token
	account serviceaccount.Account
	key     apikey.Key
}

func (d *deployment) tenant(t testing.TB) *tenant {
	t.Helper()
	root := place.Place{Path: string(draw[id.Node]())}
	at := place.Place{Path: root.Path, Company: draw[id.Company]()}
	w := &tenant{deployment: d, t: t, root: root, company: at,
		owner: employee.Employee{ID: draw[id.Employee](), Email: "Ada@example.com", FirstName: "Ada", LastName: "Lovelace", Place: root,
			RoleID: role.Owner, Status: employee.Active, CreatedAt: now, UpdatedAt: now, Version: 1, EventSeq: 1},
		account: newAccount(at, "billing"),
	}
	w.token = accesstoken.Token{ID: draw[id.PAT](), EmployeeID: w.owner.ID, Place: root, Name: "set-up", Scopes: permission.All,
		Generation: 1, MAC: digest(), PepperVersion: "v1", ExpiresAt: now.Add(90 * 24 * time.Hour), CreatedAt: now, Version: 1, EventSeq: 1}
	provider := msp.MSP{ID: draw[id.MSP](), Name: "Example", RootNode: root.Node(), CreatedAt: now, Version: 1, EventSeq: 1}
	w.commit(setOf(record("msp", string(provider.ID), 1, root), msp.Create{MSP: provider},
		node.Create{Node: node.Node{ID: root.Node(), Name: "Example", Place: root, CreatedAt: now, UpdatedAt: now, Version: 1, EventSeq: 1}},
		employee.Create{Employee: w.owner}, accesstoken.Create{Token: w.token}))
	w.commit(setOf(record("company", string(at.Company), 1, at), company.Create{Company: company.Company{ID: at.Company, Name: "Acme",
		Place: at, Status: company.Active, CreatedAt: now, UpdatedAt: now, Version: 1, EventSeq: 1}}))
	w.commit(setOf(record("service_account", string(w.account.ID), 1, at), serviceaccount.Create{Account: w.account}))
	w.key = w.issue("first")
	d.meter.take()
	return w
}

func newAccount(at place.Place, name string) serviceaccount.Account {
	return serviceaccount.Account{ID: draw[id.ServiceAccount](), Place: at, Name: name, RoleID: role.Integration,
		Status: serviceaccount.Active, CreatedBy: "emp_00000000000000000001", CreatedByName: "Ada Lovelace", CreatedAt: now, UpdatedAt: now,
		Version: 1, EventSeq: 1}
}

func (w *tenant) commit(s change.Set) {
	w.t.Helper()
	require.NoError(w.t, w.Commit(w.t.Context(), s))
}

// newKey is a key of the account as it is now.
func (w *tenant) newKey(name string) apikey.Key {
	return apikey.Key{ID: draw[id.Key](), Kind: token.ServiceAccountKey, AccountID: w.account.ID, Place: w.account.Place, Name: name,
		Scopes: permission.Of(permission.KeysRead, permission.ServiceAccountsRead), RoleHint: w.account.RoleID, Generation: 1,
		IssueEpoch: w.account.IssueEpoch, MAC: digest(), PepperVersion: "v1", ExpiresAt: now.Add(90 * 24 * time.Hour),
		NoticeFrom: now.Add(60 * 24 * time.Hour), CreatedBy: "emp_00000000000000000001", CreatedByName: "Ada Lovelace",
		CreatedAt: now, UpdatedAt: now, Version: 1, EventSeq: 1}
}

func (w *tenant) issue(name string) apikey.Key {
	w.t.Helper()
	k := w.newKey(name)
	w.commit(setOf(record("key", string(k.ID), 1, k.Place), serviceaccount.Update{Old: w.account, KeysChanged: true, KeyCount: 1},
		apikey.Create{Key: k}))
	return k
}

// issueMany gives the account n more keys.
func (w *tenant) issueMany(n int) {
	w.t.Helper()
	for i := range n {
		w.issue(fmt.Sprintf("key %d", i))
	}
}

// names are those of the key, as a warm environment remembers them.
func (w *tenant) names() verify.Names {
	return verify.Names{Principal: string(w.account.ID), Company: w.company.Company, Role: w.account.RoleID}
}

// itemSize is the size in bytes of an item that is there.
func itemSize(t testing.TB, w *tenant, table, pk, sk string) int {
	t.Helper()
	out, err := w.client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk}}})
	require.NoError(t, err)
	require.NotEmpty(t, out.Item)
	return dynamo.Size(out.Item)
}
