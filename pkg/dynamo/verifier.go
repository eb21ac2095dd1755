package dynamo

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// Verifier is what a verdict reads and writes (verify.Store). It uses the tables Identity and Audit.
type Verifier struct {
	api    API
	tables Tables
	sleep  func(context.Context, time.Duration) error
}

var _ verify.Store = (*Verifier)(nil)

// NewVerifier makes a Verifier.
func NewVerifier(client API, tables Tables) *Verifier {
	return &Verifier{api: client, tables: tables, sleep: sleep}
}

// WithSleep returns a copy that pauses between two attempts by calling sleep, which returns early with an error when the
// context ends. Tests pass one that does not wait.
func (v *Verifier) WithSleep(sleep func(context.Context, time.Duration) error) *Verifier {
	c := *v
	c.sleep = sleep
	return &c
}

// getItem reads one item; nil when it is not there. With attributes, only those are read.
func (v *Verifier) getItem(ctx context.Context, table string, k key, attrs ...string) (item, error) {
	in := &dynamodb.GetItemInput{TableName: &table, Key: k.wire(), ConsistentRead: aws.Bool(true)}
	if len(attrs) > 0 {
		var e expression
		names := make([]string, len(attrs))
		for i, a := range attrs {
			names[i] = e.name(a)
		}
		in.ProjectionExpression, in.ExpressionAttributeNames = aws.String(strings.Join(names, ", ")), e.names
	}
	out, err := v.api.GetItem(ctx, in)
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// batchLimit is how many items one BatchGetItem reads.
const batchLimit = 100

// batchGet reads up to batchLimit items of one table and leaves out those that are not there. Keys that DynamoDB left
// unprocessed are asked for again, retries times; then they are an error, never absent.
func (v *Verifier) batchGet(ctx context.Context, table string, keys []key, retries int) ([]item, error) {
	ask := types.KeysAndAttributes{ConsistentRead: aws.Bool(true), Keys: make([]map[string]types.AttributeValue, len(keys))}
	for i, k := range keys {
		ask.Keys[i] = k.wire()
	}
	in := &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{table: ask}}
	var items []item
	for attempt := 0; ; attempt++ {
		out, err := v.api.BatchGetItem(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, it := range out.Responses[table] {
			items = append(items, it)
		}
		if len(out.UnprocessedKeys) == 0 {
			return items, nil
		}
		if attempt >= retries || !v.pause(ctx, attempt) {
			return nil, errUnprocessed
		}
		in.RequestItems = out.UnprocessedKeys
	}
}

// credentialKey returns where a credential of a verdict is kept.
func credentialKey(cred string) key {
	switch {
	case strings.HasPrefix(cred, id.Prefix[id.PAT]()):
		return tokenKey(id.PAT(cred))
	case strings.HasPrefix(cred, id.Prefix[id.Session]()):
		return sessionKey(id.Session(cred))
	}
	return keyKey(id.Key(cred))
}

// principalKey returns where a principal of a verdict is kept.
func principalKey(principal string) key {
	if strings.HasPrefix(principal, id.Prefix[id.Employee]()) {
		return employeeKey(id.Employee(principal))
	}
	return accountKey(id.ServiceAccount(principal))
}

// ownerKey returns where the owner of a lock is kept: an account, a token or a session.
func ownerKey(owner string) key {
	if strings.HasPrefix(owner, id.Prefix[id.ServiceAccount]()) {
		return accountKey(id.ServiceAccount(owner))
	}
	return credentialKey(owner)
}

// Credential reads one credential by its ID; nil when it is not there.
func (v *Verifier) Credential(ctx context.Context, cred string) (_ *verify.Credential, err error) {
	defer wrap(&err, "Verifier.Credential(%s)", cred)
	s, err := v.Snapshot(ctx, cred, verify.Names{}) // the same call as the one that follows: a first request pays for one way only
	return s.Credential, err
}

// Snapshot reads what a verdict depends on in one call; the keys that DynamoDB leaves unprocessed once more.
func (v *Verifier) Snapshot(ctx context.Context, cred string, names verify.Names) (_ verify.Snapshot, err error) {
	defer wrap(&err, "Verifier.Snapshot(%s, %s)", cred, names.Principal)
	keys := make([]key, 0, 6)
	if cred != "" {
		keys = append(keys, credentialKey(cred))
	}
	if names.Principal != "" {
		keys = append(keys, principalKey(names.Principal))
	}
	if names.Company != "" {
		keys = append(keys, companyKey(names.Company))
	}
	if names.Role != "" && !role.IsBuiltIn(names.Role) {
		keys = append(keys, roleKey(names.Role))
	}
	if names.Parent != "" {
		keys = append(keys, credentialKey(names.Parent))
	}
	if names.Address != "" {
		keys = append(keys, sourceKey(names.Owner, names.Address))
	}
	if names.Guard != "" {
		keys = append(keys, guardKey(names.Guard))
	}
	snapshot := verify.Snapshot{Suspended: names.Company != ""}
	if len(keys) == 0 {
		return snapshot, nil
	}
	flat := flatRead{table: v.tables.Identity, keys: keys}
	items, err := v.batchGet(context.WithValue(ctx, flatReadKey{}, &flat), v.tables.Identity, keys, 1)
	if err != nil {
		return verify.Snapshot{}, err
	}
	for _, it := range flat.items {
		if err := addToSnapshot(&snapshot, &reader{flat: it}, names.Parent); err != nil {
			return verify.Snapshot{}, err
		}
	}
	for _, it := range items {
		if err := addToSnapshot(&snapshot, &reader{it: it}, names.Parent); err != nil {
			return verify.Snapshot{}, err
		}
	}
	return snapshot, nil
}

// CustomRole reads one role; nil when it is not there.
func (v *Verifier) CustomRole(ctx context.Context, r id.Role) (_ *role.Role, err error) {
	defer wrap(&err, "Verifier.CustomRole(%s)", r)
	it, err := v.getItem(ctx, v.tables.Identity, roleKey(r))
	if err != nil || it == nil {
		return nil, err
	}
	return readRole(&reader{it: it})
}

// Retired tells whether one of the digests is of a secret that the credential once had.
func (v *Verifier) Retired(ctx context.Context, cred string, macs [][]byte) (_ bool, err error) {
	defer wrap(&err, "Verifier.Retired(%s)", cred)
	switch len(macs) {
	case 0:
		return false, nil
	case 1:
		it, err := v.getItem(ctx, v.tables.Identity, retiredKey(cred, macs[0]), attrPK)
		return it != nil, err
	}
	var keys []key
	for _, m := range macs {
		if k := retiredKey(cred, m); !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	items, err := v.batchGet(ctx, v.tables.Identity, keys, 1)
	return len(items) > 0, err
}

// Source reads what is remembered of a source under an owner; the zero Source when nothing is.
func (v *Verifier) Source(ctx context.Context, owner, address string) (_ lock.Source, err error) {
	defer wrap(&err, "Verifier.Source(%s, %s)", owner, address)
	it, err := v.getItem(ctx, v.tables.Identity, sourceKey(owner, address))
	if err != nil || it == nil {
		return lock.Source{}, err
	}
	return decodeSource(it)
}

// Sighting reads what is remembered of who sent a retired secret; the zero Sighting when nothing is.
func (v *Verifier) Sighting(ctx context.Context, cred, address string) (_ apikey.Sighting, err error) {
	defer wrap(&err, "Verifier.Sighting(%s, %s)", cred, address)
	it, err := v.getItem(ctx, v.tables.Identity, sightingKey(cred, address))
	if err != nil || it == nil {
		return apikey.Sighting{}, err
	}
	return decodeSighting(it)
}
