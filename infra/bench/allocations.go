package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/authorizer"
	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/telemetry"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// allocations counts what a warm verified request allocates, from the gateway's event to the policy: all of it, with the SDK and
// net/http and the store in another process, and with a store that has the answer already.
func allocations(ctx context.Context, _ settings) ([]Figure, error) {
	d, err := deploy(ctx, time.Now().UTC())
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
	address, stop, err := startStandIn(ctx, os.Getenv(endpointVariable))
	if err != nil {
		return nil, err
	}
	defer stop()
	event, err := authorizerEvent(k)
	if err != nil {
		return nil, err
	}
	store := dynamo.NewVerifier(dynamo.NewClient(dynamo.Config{Region: "us-east-1", Endpoint: address, Credentials: nobody, Now: time.Now}), d.tables)
	whole, err := allocationsOf(ctx, d.authorizer(store, io.Discard), event)
	if err != nil {
		return nil, err
	}
	own, err := allocationsOf(ctx, d.authorizer(&remembering{Store: store}, io.Discard), event)
	return []Figure{at("allocations per verified request, SDK included", whole, 430, ""),
		at("allocations per verified request, own code", own, 45, "")}, err
}

func allocationsOf(ctx context.Context, a *authorizer.Authorizer, event []byte) (float64, error) {
	for range 3 { // the connection, and what is remembered
		answer, err := a.Invoke(ctx, event)
		if err != nil {
			return 0, err
		}
		if !bytes.Contains(answer, []byte(`"Effect":"Allow"`)) {
			return 0, errors.New("the authorizer does not allow: " + string(answer))
		}
	}
	const runs = 500
	return testing.AllocsPerRun(runs, func() { _, _ = a.Invoke(ctx, event) }), nil
}

// authorizer is the handler of functions/authorizer over a store, with its logs and metrics going to log.
func (d *deployment) authorizer(store verify.Store, log io.Writer) *authorizer.Authorizer {
	observer := authorizer.Observer{Log: slog.New(slog.NewJSONHandler(log, nil)), Metrics: telemetry.New("authorizer", log, d.clock)}
	return &authorizer.Authorizer{Now: d.clock, Routes: authorizer.Routes, Report: observer.Report,
		Verifier: &verify.Verifier{Store: store, Peppers: onePepper{}, Now: d.clock, Rand: rand.Reader, Policy: lock.Default,
			Failed: observer.Failed, Announced: observer.Announced}}
}

// remembering is a store that is asked for a snapshot once.
type remembering struct {
	verify.Store
	snapshot *verify.Snapshot
}

func (r *remembering) Snapshot(ctx context.Context, cred string, names verify.Names) (verify.Snapshot, error) {
	if r.snapshot != nil {
		return *r.snapshot, nil
	}
	s, err := r.Store.Snapshot(ctx, cred, names)
	if err == nil && cred != "" {
		r.snapshot = &s
	}
	return s, err
}

// sample is API Gateway's question about GET /keys/{id}.
const sample = "events/authorizer-rest.json"

// authorizerEvent is the sample with a key's own secret, without the line breaks that are there for readers only: API Gateway
// sends none.
func authorizerEvent(k apikey.Shown) ([]byte, error) {
	event, err := os.ReadFile(sample)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, bytes.ReplaceAll(event, []byte("SECRET"), []byte(k.Secret.Reveal())))
	return compact.Bytes(), err
}
