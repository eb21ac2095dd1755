// Package e2e holds the end-to-end tests: what rekey promises, tried over HTTP on a running deployment.
//
// The deployment is the one that REKEY_STACK names (the path of a stack.json); `make test` starts a fresh local stack and sets it.
// The tests are parallel, each on service accounts of its own, as the owner that TestMain makes with the set-up code. Every
// exchange is held against the OpenAPI document that the deployment serves, every secret that an answer hands out is
// remembered, and in the end every place where one could have come to rest is searched for all of them.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rekey-dev/rekey/infra/e2e/canary"
	"github.com/rekey-dev/rekey/infra/e2e/client"
	"github.com/rekey-dev/rekey/infra/e2e/contract"
	"github.com/rekey-dev/rekey/infra/e2e/stack"
)

// world is the deployment that the tests talk to, and what they have in common. Its fields are set before any parallel test.
var world struct {
	*stack.Stack
	api      *client.Target
	contract *contract.Contract
	secrets  canary.Canary
	queue    string // gets every event of the bus
	owner    string // the owner's token; a recovery ends it and makes another
	node     string // the root node
	first    firstContact
}

// exercised counts the successful calls of each operation.
var exercised struct {
	sync.Mutex
	calls map[string]int
}

// inCI tells whether what would otherwise be left out is a failure.
var inCI = os.Getenv("CI") == "true"

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx := context.Background()
	switch err := prepare(ctx); {
	case errors.Is(err, stack.ErrNone) && !inCI:
		fmt.Println("END-TO-END TESTS DO NOT RUN: " + stack.FileVariable + " is not set. `make test` starts a stack and sets it; after " +
			"`make run` on an empty state: " + stack.FileVariable + "=$PWD/.local/stack.json go test ./infra/e2e/...")
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "end-to-end tests: "+err.Error())
		return 1
	}
	code := m.Run()
	if err := searchEverything(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "--- FAIL: after all tests: "+err.Error())
		code = 1
	}
	if whole := flag.Lookup("test.run").Value.String() == "" && !testing.Short(); whole {
		if missing := neverCalled(); len(missing) > 0 {
			fmt.Fprintln(os.Stderr, "--- FAIL: operations that no test called with success: "+strings.Join(missing, ", "))
			code = 1
		}
	}
	return code
}

// prepare finds the deployment, reads its contract, begins to listen to its events and makes its owner.
func prepare(ctx context.Context) error {
	var err error
	if world.Stack, err = stack.Load(); err != nil {
		return err
	}
	world.api = &client.Target{BaseURL: world.APIURL}
	answer, err := world.api.Do(ctx, client.Request{Method: http.MethodGet, Path: "/openapi.json"})
	if err != nil {
		return err
	}
	if world.contract, err = contract.New(answer.Body); err != nil {
		return err
	}
	exercised.calls = map[string]int{}
	world.api.Observe = observe
	if world.queue, err = world.Subscribe(ctx, "rekey-e2e-events"); err != nil {
		return err
	}
	world.secrets.Add(world.SetupCode, "the set-up code")
	return meet(ctx)
}

// observe holds an exchange against the contract and remembers the secrets in it.
func observe(x contract.Exchange) error {
	name, err := world.contract.Check(x)
	if x.Status < 300 {
		exercised.Lock()
		exercised.calls[name]++
		exercised.Unlock()
	}
	for _, secret := range (client.Answer{Body: x.ResponseBody}).Secrets() {
		world.secrets.Add(secret, name)
	}
	return err
}

func neverCalled() []string {
	exercised.Lock()
	defer exercised.Unlock()
	var missing []string
	for _, name := range world.contract.Operations() {
		if exercised.calls[name] == 0 {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

// inALetter is where one-time codes are handed out.
const inALetter = "a letter"

// searchEverything looks for every secret that the suite was handed in everything that the deployment keeps.
func searchEverything(ctx context.Context) error {
	if world.secrets.Len() < 2 {
		return errors.New("no test was handed a secret: nothing to search for")
	}
	places, size := map[string]bool{}, 0
	var found []string
	owner := []byte(world.owner[4:24]) // the public half of the owner's token: what is there of right
	public := map[string]bool{}        // by kind of place: whether it was there
	err := world.Sinks(ctx, func(where string, what []byte) error {
		places[where] = true
		size += len(what)
		kind, _, _ := strings.Cut(where, " ")
		public[kind] = public[kind] || bytes.Contains(what, owner)
		for _, secret := range world.secrets.Find(what) {
			if kind == "mail" && strings.HasSuffix(secret, "("+inALetter+")") {
				continue // where it belongs, and nowhere else
			}
			found = append(found, where+" holds a part of "+secret)
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Printf("searched %d places, %.1f MB, for %d secrets\n", len(places), float64(size)/1e6, world.secrets.Len())
	if _, ok := public["bucket"]; !ok || !public["table"] || !public["log"] || !public["queue"] {
		return fmt.Errorf("the search looked at nothing: what is public was found so: %v", public)
	}
	if len(found) > 0 {
		slices.Sort(found)
		return errors.New("secrets leaked (D2):\n  " + strings.Join(slices.Compact(found), "\n  "))
	}
	return nil
}
