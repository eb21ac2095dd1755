package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/dynamo"
)

// rounds is how often each process is started; the variants take turns, so that what else the machine does meets all alike.
const rounds = 101

// processes measures the processor time of whole processes: from exec to the first question for an invocation (init), and from
// there until the answer to the first one was sent and the next is asked for (first).
func processes(ctx context.Context, s settings) ([]Figure, error) {
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	binaries := map[string]string{}
	for _, pkg := range []string{helloPackage, storelessPackage, unwarmedPackage, authorizerPackage} {
		if binaries[pkg], err = build(ctx, pkg, runtime.GOARCH, folder); err != nil {
			return nil, err
		}
	}
	// The key was used in the last second of today, so no request of today writes: that is another line.
	d, err := deploy(ctx, time.Now().UTC().Truncate(24*time.Hour).Add(24*time.Hour-time.Second))
	if err != nil {
		return nil, err
	}
	k, err := d.account(ctx, "", 1)
	if err != nil {
		return nil, err
	}
	if _, err := d.steady(ctx, k.Secret); err != nil {
		return nil, err
	}
	event, err := authorizerEvent(k)
	if err != nil {
		return nil, err
	}
	stand := newAmazon(os.Getenv(endpointVariable))
	plain := httptest.NewServer(stand)
	defer plain.Close()
	secure, trust, err := serveTLS(stand, folder)
	if err != nil {
		return nil, err
	}
	defer secure.Close()

	hello := &process{path: binaries[helloPackage], event: event}
	storeless := &process{path: binaries[storelessPackage], event: event, env: []string{"BENCH_SECRET=" + k.Secret.Reveal()}}
	unwarmed := &process{path: binaries[unwarmedPackage], event: event, env: settingsOf(d.tables, plain.URL)}
	overHTTP := &process{path: binaries[authorizerPackage], event: event, env: settingsOf(d.tables, plain.URL)}
	overTLS := &process{path: binaries[authorizerPackage], event: event, env: append(settingsOf(d.tables, secure.URL), trust...)}
	n := rounds
	if s.quick {
		n = 5
	}
	for range n {
		for _, v := range []*process{hello, storeless, unwarmed, overHTTP, overTLS} {
			if err := v.measure(ctx); err != nil {
				return nil, fmt.Errorf("%s: %w", filepath.Base(v.path), err)
			}
		}
	}
	return []Figure{
		ratio("init CPU / hello world, without warm-up", unwarmed.init, hello.init, 2),
		ratio("first request's CPU over TLS / the same handler without a store", overTLS.first, storeless.first, 1.2),
		known("for information: init CPU with the warm-up over plain HTTP", overHTTP.init),
		known("for information: init CPU with the warm-up over TLS, one root certificate", overTLS.init),
		known("for information: first request's CPU over plain HTTP", overHTTP.first),
		known("for information: first request's CPU over plain HTTP, not warmed", unwarmed.first),
		known("for information: first request's CPU of hello world", hello.first),
	}, nil
}

// settingsOf is the environment that Lambda and the template give the authorizer.
func settingsOf(t dynamo.Tables, endpoint string) []string {
	return []string{"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=none", "AWS_SESSION_TOKEN=none",
		"AWS_LAMBDA_FUNCTION_NAME=authorizer", "AWS_ENDPOINT_URL=" + endpoint, "IDENTITY_TABLE=" + t.Identity, "AUDIT_TABLE=" + t.Audit,
		"PEPPERS_SECRET=peppers", "HOLD=false"}
}

// median of processor times.
func median(times []time.Duration) time.Duration {
	sorted := slices.Clone(times)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }

func ratio(what string, times, base []time.Duration, most float64) Figure {
	a, b := median(times), median(base)
	return at(what, float64(a)/float64(b), most, fmt.Sprintf("%s / %s, medians of %d", milliseconds(a), milliseconds(b), len(times)))
}

func known(what string, times []time.Duration) Figure {
	return Figure{What: what, Bound: "-", Measured: milliseconds(median(times)), OK: true}
}
