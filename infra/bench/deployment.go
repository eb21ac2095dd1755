package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rekey-dev/rekey/infra/e2e/stack"
	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/company"
	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/setup"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/verify"
)

const endpointVariable = "REKEY_DYNAMODB_ENDPOINT"

// pepper is the only key of the deployments that are measured.
const pepper = "BenchBenchBenchBenchBenchBenchBenchBenchBen"

type onePepper struct{}

var pepperKey = []byte(pepper)

func (onePepper) Current(context.Context) (string, []byte, error) { return "v1", pepperKey, nil }
func (onePepper) Key(_ context.Context, version string) ([]byte, bool, error) {
	return pepperKey, version == "v1", nil
}
func (onePepper) All(context.Context) (map[string][]byte, error) {
	return map[string][]byte{"v1": pepperKey}, nil
}

type anyCode struct{}

func (anyCode) Check(context.Context, string) (bool, error) { return true, nil }

// deployment is rekey on tables of its own, with the clock in the measurer's hand: an owner, a node, and a company under it.
type deployment struct {
	meter     *meter
	db        *stack.Stack // for what no operation of the product does
	tables    dynamo.Tables
	store     *dynamo.Store
	verifier  *verify.Verifier // one warm environment's
	accounts  *serviceaccount.Service
	keys      *apikey.Service
	rotations *rotation.Service
	now       time.Time
	owner     token.Secret
	root      place.Place
	company   id.Company
}

// deploy makes four tables on the endpoint of REKEY_DYNAMODB_ENDPOINT and sets rekey up at now.
func deploy(ctx context.Context, now time.Time) (*deployment, error) {
	endpoint := os.Getenv(endpointVariable)
	suffix := "-" + string(id.New[id.Operation](rand.Reader))
	d := &deployment{meter: &meter{}, db: &stack.Stack{EndpointURL: endpoint, Region: "us-east-1"}, now: now,
		tables: dynamo.Tables{Identity: "Identity" + suffix, Directory: "Directory" + suffix, Audit: "Audit" + suffix, Transient: "Transient" + suffix}}
	for _, table := range []string{d.tables.Identity, d.tables.Directory, d.tables.Audit, d.tables.Transient} {
		attributes := []map[string]string{{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}}
		in := map[string]any{"TableName": table, "BillingMode": "PAY_PER_REQUEST",
			"KeySchema": []map[string]string{{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}}}
		if table == d.tables.Identity {
			attributes = append(attributes, map[string]string{"AttributeName": "due_shard", "AttributeType": "S"},
				map[string]string{"AttributeName": "due_at", "AttributeType": "N"})
			in["GlobalSecondaryIndexes"] = []map[string]any{{"IndexName": "due", "Projection": map[string]string{"ProjectionType": "KEYS_ONLY"},
				"KeySchema": []map[string]string{{"AttributeName": "due_shard", "KeyType": "HASH"}, {"AttributeName": "due_at", "KeyType": "RANGE"}}}}
		}
		in["AttributeDefinitions"] = attributes
		_, err := d.db.Call(ctx, "DynamoDB_20120810", "CreateTable", in)
		if err != nil {
			return nil, err
		}
	}
	d.wire(endpoint)
	coins := &mint.Mint{Peppers: onePepper{}, Derivation: onePepper{}, Rand: rand.Reader}
	d.keys = &apikey.Service{Store: d.store, Mint: coins, Fold: fold.Name, Now: d.clock, Rand: rand.Reader}
	d.accounts = &serviceaccount.Service{Store: d.store, Keys: d.keys, Now: d.clock, Rand: rand.Reader, LockAt: policy.LockAt(d.store)}
	d.rotations = &rotation.Service{Store: d.store, Keys: d.keys, Mint: coins, Terms: rotation.Under(d.store), Now: d.clock, Rand: rand.Reader}
	d.verifier = d.environment()
	made, err := (&setup.Service{Store: d.store, Code: anyCode{}, Mint: coins, Now: d.clock, Rand: rand.Reader}).SetUp(ctx, nil,
		audit.Request{ID: "bench"}, setup.Input{MSPName: "Bench", Email: "bench@example.com", FirstName: "Ben", LastName: "Ch"})
	if err != nil {
		return nil, err
	}
	d.owner, d.root = made.Secret, made.Node.Place
	return d, d.addCompany(ctx)
}

// wire connects the deployment to its tables.
func (d *deployment) wire(endpoint string) {
	client := dynamo.NewClient(dynamo.Config{Region: "us-east-1", Endpoint: endpoint, HTTPClient: d.meter, Credentials: nobody, Now: time.Now})
	d.store = dynamo.New(client, d.tables, fold.Name)
}

func (d *deployment) clock() time.Time { return d.now }

var nobody = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "none", SessionToken: "none"}, nil
})

// addCompany puts the company that accounts stand in: with one, a verdict reads an item more.
func (d *deployment) addCompany(ctx context.Context) error {
	at := place.Place{Path: d.root.Path, Company: id.New[id.Company](rand.Reader)}
	d.company = at.Company
	op := id.New[id.Operation](rand.Reader)
	return d.store.Commit(ctx, change.Set{Operation: op, At: d.now,
		Events: []audit.Event{{ID: id.New[id.Event](rand.Reader), Seq: 1, At: d.now, Action: "company.created", Operation: op, Outcome: audit.OK,
			Actor: audit.Actor{Type: audit.System, ID: "system", Name: "rekey"}, Target: audit.Target{Type: "company", ID: string(at.Company), Name: "Acme"}, Place: at}},
		Writes: []change.Write{company.Create{Company: company.Company{ID: at.Company, Name: "Acme", Place: at, Status: company.Active,
			CreatedAt: d.now, UpdatedAt: d.now, Version: 1, EventSeq: 1}}}})
}

// addRole puts a custom role that has the permissions of a built-in one. No operation makes one of that size, so the item is spelt
// out here, with a text that makes it nearly as large as a role may be: 4 KB.
func (d *deployment) addRole(ctx context.Context) (id.Role, error) {
	like, _ := role.BuiltIn(role.Integration)
	r := id.New[id.Role](rand.Reader)
	item := map[string]any{"pk": text(string(r)), "sk": text("role"), "type": text("role"), "name": text("custom"), "description": text(strings.Repeat("x", 3500)),
		"perms": text(like.Permissions.Text()), "perms_own": text(like.OwnAccount.Text()), "assignables": text("service_account"),
		"parent": text(string(d.root.Node())), "version": map[string]string{"N": "1"}}
	use := map[string]any{"pk": text(string(r)), "sk": text("use"), "type": text("use")}
	for table, it := range map[string]any{d.tables.Identity: item, d.tables.Directory: use} {
		if _, err := d.db.Call(ctx, "DynamoDB_20120810", "PutItem", map[string]any{"TableName": table, "Item": it}); err != nil {
			return "", err
		}
	}
	read, err := d.store.CustomRole(ctx, r)
	if err == nil && (read == nil || read.Permissions != like.Permissions) {
		err = fmt.Errorf("the custom role reads as %+v", read)
	}
	return r, err
}

func text(s string) map[string]string { return map[string]string{"S": s} }

// environment is a fresh execution environment of the authorizer: it remembers nothing.
func (d *deployment) environment() *verify.Verifier {
	return &verify.Verifier{Store: d.store.Verifier, Peppers: onePepper{}, Now: d.clock, Rand: rand.Reader, Policy: lock.Default}
}

// asOwner is a call by the owner.
func (d *deployment) asOwner(ctx context.Context) (call.Call, error) {
	v, err := d.environment().Verify(ctx, verify.Presented{Secret: d.owner}, from("192.0.2.1"))
	if err != nil || v.Class != verify.Allow {
		return call.Call{}, fmt.Errorf("the owner's token is %s: %w", v.Class, err)
	}
	return call.Call{Caller: v.Caller(), Request: audit.Request{ID: "bench", SourceIP: "192.0.2.1", UserAgent: "bench/1"}, Route: "bench"}, nil
}

// account makes an account of the company with keys, and returns the last of them. r is its role, "" for the built-in one.
func (d *deployment) account(ctx context.Context, r id.Role, keys int) (apikey.Shown, error) {
	c, err := d.asOwner(ctx)
	if err != nil {
		return apikey.Shown{}, err
	}
	a, err := d.accounts.Create(ctx, c, serviceaccount.New{Name: string(id.New[id.Operation](rand.Reader)), Company: d.company, RoleID: r})
	if err != nil {
		return apikey.Shown{}, err
	}
	var k apikey.Shown
	for range keys {
		if k, err = d.keys.Issue(ctx, c, a.Account.ID, apikey.Issue{Name: "primary"}); err != nil {
			break
		}
	}
	return k, err
}

// request is one request with a secret, as the authorizer serves it; it must be allowed.
func (d *deployment) request(ctx context.Context, v *verify.Verifier, s token.Secret, o verify.Origin) (bill, error) {
	d.meter.take()
	verdict, err := v.Verify(ctx, verify.Presented{Secret: s}, o)
	if err != nil {
		return bill{}, err
	}
	if verdict.Class != verify.Allow {
		return bill{}, fmt.Errorf("a right secret is %s, %s", verdict.Class, verdict.Status)
	}
	v.Used(ctx, verdict, s, o)
	return d.meter.take(), nil
}

// steady is what a request costs when the same secret came from the same place a moment ago.
func (d *deployment) steady(ctx context.Context, s token.Secret) (bill, error) {
	if _, err := d.request(ctx, d.verifier, s, home); err != nil {
		return bill{}, err
	}
	return d.request(ctx, d.verifier, s, home)
}

// home is where the measured consumer lives: the address in the sample event.
var home = from("203.0.113.7")

func from(ip string) verify.Origin {
	return verify.Origin{Address: lock.Address(ip), IP: ip, UserAgent: "bench/1", RequestID: "5f1c6f9e-6c1a-4c3e-9a55-0a1b2c3d4e5f"}
}
