// Command peppers rotates the peppers, the keys of the digests that stand for secrets, while keys live.
//
//	go run ./infra/peppers status            which versions there are, which one is current
//	go run ./infra/peppers add               make the next version; it is not used yet
//	go run ./infra/peppers use v2            make new digests with it, once every function knows it
//	go run ./infra/peppers count             how many digests are stored under each version
//	go run ./infra/peppers remove v1         take a version away that no digest is stored under
//
// The deployment is named by PEPPERS_SECRET (ARN) and IDENTITY_TABLE, or by -stack with the file that `make run` writes; flags come first.
// The region and credentials come from AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. No pepper
// is ever printed. docs/peppers.md tells when to do what.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/rekey-dev/rekey/pkg/boot"
	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/secrets"
	"github.com/rekey-dev/rekey/pkg/secrets/vault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, lookup boot.Lookup, out io.Writer) error {
	flags := flag.NewFlagSet("peppers", flag.ContinueOnError)
	flags.SetOutput(out)
	stack := flags.String("stack", "", "describes a local stack: .local/stack.json")
	force := flags.Bool("force", false, "with use and remove: do not wait until every function knows the last change")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *stack != "" {
		var err error
		if lookup, err = localStack(*stack); err != nil {
			return err
		}
	}
	env := boot.Read(lookup)
	secret, table := env.Text("PEPPERS_SECRET"), env.Text("IDENTITY_TABLE")
	if err := env.Ready(ctx); err != nil {
		return err
	}
	client := dynamo.NewClient(env.DynamoDB())
	r := &rotation{
		vault: vault.New(secrets.NewClient(env.AWS(), time.Now), env.AWS()), secret: secret, now: time.Now, rand: rand.Reader, out: out, force: *force,
		count: func(ctx context.Context) (dynamo.PepperUse, error) {
			return dynamo.CountPepperUse(ctx, client, table, pace(out))
		},
	}
	return r.command(ctx, flags.Args())
}

// pages is how many pages of the table are read in a second, so that reading it takes a few hundred read units a second of
// the 3,000 that a partition has for requests.
const pages = 10

// pace waits before each page but the first and says now and then how far the reading is.
func pace(out io.Writer) func(context.Context, int) error {
	t := time.NewTicker(time.Second / pages)
	said := 0
	return func(ctx context.Context, items int) error {
		if items == 0 {
			return nil
		}
		if items-said >= 100_000 {
			said = items
			fmt.Fprintf(out, "%d items read\n", items)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			return nil
		}
	}
}

// localStack makes settings of the file that `make run` writes.
func localStack(path string) (boot.Lookup, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s struct {
		Region   string `json:"region"`
		Endpoint string `json:"aws_endpoint_url"`
		Tables   struct{ Identity string }
		Secrets  struct{ Peppers string }
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	settings := map[string]string{"AWS_REGION": s.Region, "AWS_ENDPOINT_URL": s.Endpoint, "IDENTITY_TABLE": s.Tables.Identity,
		"PEPPERS_SECRET": s.Secrets.Peppers, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
	return func(name string) (string, bool) {
		v, ok := settings[name]
		return v, ok
	}, nil
}
