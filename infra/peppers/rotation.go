package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/secrets"
)

// settleFor is how long after a change of the secret every function knows it: the longest that one goes on with what it has
// read, and a minute for clocks that differ.
const settleFor = secrets.RefreshAfter + time.Minute

// keyLength is the length of a pepper in base62 characters: 256 bits.
const keyLength = 43

// store holds the peppers' secret. Replace fails with vault.ErrChanged when old is not the current value any more.
type store interface {
	Get(ctx context.Context, secret string) (secrets.Value, error)
	Replace(ctx context.Context, secret string, old secrets.Value, text, version string) error
}

type rotation struct {
	vault  store
	secret string
	count  func(ctx context.Context) (dynamo.PepperUse, error)
	now    func() time.Time
	rand   io.Reader
	out    io.Writer
	force  bool
}

var errUsage = errors.New("one of these is wanted: status, add, use <version>, count, remove <version>")

func (r *rotation) command(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "status":
		return r.status(ctx)
	case len(args) == 1 && args[0] == "add":
		return r.add(ctx)
	case len(args) == 2 && args[0] == "use":
		return r.use(ctx, args[1])
	case len(args) == 1 && args[0] == "count":
		_, err := r.printCount(ctx)
		return err
	case len(args) == 2 && args[0] == "remove":
		return r.remove(ctx, args[1])
	}
	return errUsage
}

func (r *rotation) read(ctx context.Context) (secrets.Value, *secrets.Set, error) {
	value, err := r.vault.Get(ctx, r.secret)
	if err != nil {
		return value, nil, err
	}
	set, err := secrets.ParseSet(value.Text)
	return value, set, err
}

// status prints the versions, each with the beginning of its SHA-256, by which an offline copy is told to be the same.
func (r *rotation) status(ctx context.Context) error {
	value, set, err := r.read(ctx)
	if err != nil {
		return err
	}
	for _, v := range set.Versions() {
		note := ""
		if v == set.Current {
			note = "  current"
		}
		sum := sha256.Sum256(set.Keys[v])
		fmt.Fprintf(r.out, "%-4s sha256 %s…%s\n", v, hex.EncodeToString(sum[:6]), note)
	}
	fmt.Fprintf(r.out, "last changed %s; every function knows it from %s on\n", clock(value.CreatedAt), clock(value.CreatedAt.Add(settleFor)))
	return nil
}

func (r *rotation) add(ctx context.Context) error {
	value, set, err := r.read(ctx)
	if err != nil {
		return err
	}
	key := make([]byte, keyLength)
	id.Fill(r.rand, key)
	version := set.Next()
	set.Keys[version] = key
	if err := r.replace(ctx, value, set); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%s is there and not yet used. Renew the offline copy now; from %s on: use %s\n", version,
		clock(r.now().Add(settleFor)), version)
	return nil
}

func (r *rotation) use(ctx context.Context, version string) error {
	value, set, err := r.read(ctx)
	switch {
	case err != nil:
		return err
	case set.Keys[version] == nil:
		return fmt.Errorf("there is no version %s; status lists them", version)
	case set.Current == version:
		fmt.Fprintf(r.out, "%s is the current version already\n", version)
		return nil
	}
	if err := r.settled(value); err != nil {
		return err
	}
	before := set.Current
	set.Current = version
	if err := r.replace(ctx, value, set); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%s is the current version. A secret's digest moves to it when the secret is next used, at the earliest a minute after its last use; "+
		"%s stays for all others\n", version, before)
	return nil
}

// printCount prints how many digests there are under each version.
func (r *rotation) printCount(ctx context.Context) (dynamo.PepperUse, error) {
	use, err := r.count(ctx)
	if err != nil {
		return use, err
	}
	fmt.Fprintf(r.out, "%d items read\n", use.Items)
	for _, v := range slices.Sorted(maps.Keys(use.Versions)) {
		c := use.Versions[v]
		fmt.Fprintf(r.out, "%-4s %d keys, %d personal access tokens, %d retired secrets\n", v, c.Keys, c.Tokens, c.Retired)
	}
	return use, nil
}

func (r *rotation) remove(ctx context.Context, version string) error {
	value, set, err := r.read(ctx)
	switch {
	case err != nil:
		return err
	case set.Keys[version] == nil:
		return fmt.Errorf("there is no version %s; status lists them", version)
	case set.Current == version:
		return fmt.Errorf("%s is the current version", version)
	}
	// A function that does not know yet that another version is current still makes digests under this one.
	if err := r.settled(value); err != nil {
		return err
	}
	use, err := r.printCount(ctx)
	if err != nil {
		return err
	}
	if n := use.Versions[version].Sum(); n > 0 {
		return fmt.Errorf("%d digests are stored under %s; without it their secrets could not be told any more", n, version)
	}
	delete(set.Keys, version)
	if err := r.replace(ctx, value, set); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%s is gone. Until the next change Secrets Manager has the former value under AWSPREVIOUS\n", version)
	return nil
}

// settled refuses while a function may still go on with what the secret held before its last change.
func (r *rotation) settled(v secrets.Value) error {
	if from := v.CreatedAt.Add(settleFor); r.now().Before(from) && !r.force {
		return fmt.Errorf("the secret was changed at %s; wait until %s, when every function knows it (or -force)", clock(v.CreatedAt), clock(from))
	}
	return nil
}

// replace writes the set unless somebody else has changed the secret since it was read.
func (r *rotation) replace(ctx context.Context, old secrets.Value, set *secrets.Set) error {
	version := make([]byte, 32)
	id.Fill(r.rand, version)
	return r.vault.Replace(ctx, r.secret, old, set.Text(), string(version))
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
