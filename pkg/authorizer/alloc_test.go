package authorizer

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// still is a store that answers from memory without allocating, so that what is left is the authorizer's own.
type still struct{ snap verify.Snapshot }

func (s *still) Credential(context.Context, string) (*verify.Credential, error) {
	return s.snap.Credential, nil
}
func (s *still) Snapshot(context.Context, string, verify.Names) (verify.Snapshot, error) {
	return s.snap, nil
}
func (*still) CustomRole(context.Context, id.Role) (*role.Role, error)     { panic("not asked for") }
func (*still) Retired(context.Context, string, [][]byte) (bool, error)     { panic("not asked for") }
func (*still) Source(context.Context, string, string) (lock.Source, error) { panic("not asked for") }
func (*still) Count(context.Context, verify.Failure) (lock.Counter, error) { panic("not asked for") }
func (*still) Announce(context.Context, string, lock.Counter, audit.Event) error {
	panic("not asked for")
}
func (*still) Use(context.Context, verify.Use) error   { panic("not asked for") }
func (*still) Tally(context.Context, usage.Row) error  { return nil } // once: the first request of the hour
func (*still) Deny(context.Context, audit.Event) error { panic("not asked for") }
func (*still) Sighting(context.Context, string, string) (apikey.Sighting, error) {
	panic("not asked for")
}
func (*still) See(context.Context, string, apikey.Sighting, apikey.Sighting, *audit.Event) error {
	panic("not asked for")
}

type onePepper struct{}

var pepper = []byte("pepperpepperpepperpepperpepperpepperpepper1")

func (onePepper) Current(context.Context) (string, []byte, error)   { return "v1", pepper, nil }
func (onePepper) Key(context.Context, string) ([]byte, bool, error) { return pepper, true, nil }
func (onePepper) All(context.Context) (map[string][]byte, error) {
	return map[string][]byte{"v1": pepper}, nil
}

var noon = time.Date(2026, 11, 21, 12, 0, 30, 0, time.UTC)

// constant is a source of randomness for one fixed secret.
type constant struct{}

func (constant) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i*7 + 1)
	}
	return len(p), nil
}

func steady(t testing.TB) (*Authorizer, []byte) {
	now := noon
	k := id.New[id.Key](constant{})
	secret := token.Mint(token.ServiceAccountKey, id.Body(k), constant{})
	mac := token.MAC(pepper, token.ServiceAccountKey, id.Body(k), secret)
	at := place.Place{Path: "node_00000000000000000001", Company: "co_00000000000000000001"}
	scopes := permission.Of(permission.ServiceAccountsRead, permission.KeysRead)
	store := &still{verify.Snapshot{
		Source: lock.Source{AuthenticatedAt: noon}, // remembered today
		Credential: &verify.Credential{ID: string(k), Kind: token.ServiceAccountKey, Place: at, Name: "primary", MAC: mac[:], Pepper: "v1",
			Names: verify.Names{Principal: "sa_00000000000000000001", Company: at.Company}, Generation: 1, UsedGen: 1, IssueEpoch: 1,
			Scopes: scopes, LastUsedAt: now},
		Principal: &verify.Principal{ID: "sa_00000000000000000001", Name: "exporter", Place: at, RoleID: role.Integration, Active: true, IssueEpoch: 1},
	}}
	a := &Authorizer{Now: func() time.Time { return now }, Routes: "GET /keys/{id}\tkeys:read\n",
		Verifier: &verify.Verifier{Store: store, Peppers: onePepper{}, Now: func() time.Time { return now }, Rand: constant{}, Policy: lock.Default}}
	event, err := os.ReadFile("testdata/rest-request.json")
	require.NoError(t, err)
	return a, replaceSecret(event, secret)
}

func TestInvoke_AVerifiedRequestAllocatesAtMost45TimesWithoutTheStore_P4(t *testing.T) {
	a, event := steady(t)
	answer, err := a.Invoke(t.Context(), event)
	require.NoError(t, err)
	require.Contains(t, string(answer), `"Effect":"Allow"`)
	got := testing.AllocsPerRun(200, func() { _, _ = a.Invoke(t.Context(), event) })
	t.Logf("%.0f allocations", got)
	most := 45.0
	if raceDetector {
		most = 50 // it allocates on its own
	}
	require.LessOrEqual(t, got, most)
}

func BenchmarkInvoke_WithoutTheStore(b *testing.B) {
	a, event := steady(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Invoke(b.Context(), event); err != nil {
			b.Fatal(err)
		}
	}
}

// replaceSecret puts the secret where the sample has a placeholder, so that no file holds one.
func replaceSecret(event []byte, s token.Secret) []byte {
	out := make([]byte, 0, len(event)+token.Length)
	const mark = "SECRET"
	for i := 0; i < len(event); i++ {
		if i+len(mark) <= len(event) && string(event[i:i+len(mark)]) == mark {
			out = append(out, s.Reveal()...)
			i += len(mark) - 1
			continue
		}
		out = append(out, event[i])
	}
	return out
}
