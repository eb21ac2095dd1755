// Command storeless is the authorizer with the same handler and no store: the one key is in memory. What the authorizer's first
// request costs beyond this one's is what the store costs.
//
//	BENCH_SECRET   the secret of the one key
package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/telemetry"
	"github.com/rekey-dev/rekey/pkg/token"
	"github.com/rekey-dev/rekey/pkg/usage"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// memory answers from what it holds; what a steady request does not ask for is not there (the embedded store is nil).
type memory struct {
	verify.Store
	snapshot verify.Snapshot
}

func (m *memory) Credential(context.Context, string) (*verify.Credential, error) {
	return m.snapshot.Credential, nil
}

func (m *memory) Snapshot(context.Context, string, verify.Names) (verify.Snapshot, error) {
	return m.snapshot, nil
}

// Tally takes the row that every environment writes with its first request of an hour.
func (m *memory) Tally(context.Context, usage.Row) error { return nil }

type onePepper struct{ key []byte }

func (p onePepper) Current(context.Context) (string, []byte, error)   { return "v1", p.key, nil }
func (p onePepper) Key(context.Context, string) ([]byte, bool, error) { return p.key, true, nil }
func (p onePepper) All(context.Context) (map[string][]byte, error) {
	return map[string][]byte{"v1": p.key}, nil
}

func main() {
	secret, ok := token.Parse(os.Getenv("BENCH_SECRET"))
	if !ok {
		panic("BENCH_SECRET is no secret")
	}
	pepper := onePepper{[]byte("BenchBenchBenchBenchBenchBenchBenchBenchBen")}
	mac := token.MAC(pepper.key, secret.Kind, secret.Public, secret.Secret)
	at := place.Place{Path: string(id.New[id.Node](rand.Reader)), Company: id.New[id.Company](rand.Reader)}
	held := permission.Of(permission.ServiceAccountsRead, permission.KeysRead)
	store := &memory{snapshot: verify.Snapshot{
		Credential: &verify.Credential{ID: secret.ID(), Kind: secret.Kind, Place: at, Name: "primary", MAC: mac[:], Pepper: "v1",
			Names:      verify.Names{Principal: "sa_00000000000000000001", Company: at.Company},
			Generation: 1, UsedGen: 1, IssueEpoch: 1, Scopes: held, LastUsedAt: time.Now().Add(time.Hour)},
		Source:    lock.Source{AuthenticatedAt: time.Now()},
		Principal: &verify.Principal{ID: "sa_00000000000000000001", Name: "exporter", Place: at, RoleID: role.Integration, Active: true, IssueEpoch: 1},
	}}
	observer := authorizer.Observer{Log: slog.New(slog.NewJSONHandler(os.Stdout, nil)), Metrics: telemetry.New("authorizer", os.Stdout, time.Now)}
	a := &authorizer.Authorizer{Now: time.Now, Routes: authorizer.Routes, Report: observer.Report,
		Verifier: &verify.Verifier{Store: store, Peppers: pepper, Now: time.Now, Rand: rand.Reader, Policy: lock.Default}}
	lambda.Start(a)
}
