package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/rekey-dev/rekey/infra/e2e/client"
	"github.com/rekey-dev/rekey/infra/e2e/stack"
	"github.com/rekey-dev/rekey/infra/e2e/trial"
)

// emulatorParallelism is how many requests of one function the local stack serves at once, at most.
const emulatorParallelism = 8

// onTheStack runs the same trials, smaller, on a fresh local stack: the real binaries behind the emulator's API Gateway, one
// process for each environment. At full size the emulator takes ten minutes.
func onTheStack(ctx context.Context, s settings) ([]Figure, error) {
	deployed, err := stack.Load()
	if err != nil {
		return nil, err
	}
	w := trial.World{API: &client.Target{BaseURL: deployed.APIURL}, Logs: deployed.LogLines}
	if w.Owner, w.Node, err = setUp(ctx, w.API, deployed.SetupCode); err != nil {
		return nil, err
	}
	return trials(ctx, w, sizes{revokes: s.size(100), accountKeys: s.size(100), guesses: 1000, valid: s.size(500), ended: s.size(500)}, emulatorParallelism)
}

// setUp makes the owner of a fresh deployment and returns its token and the root node.
func setUp(ctx context.Context, api *client.Target, code string) (secret, node string, err error) {
	answer, err := api.Do(ctx, client.Request{Method: http.MethodPost, Path: "/setup", Body: map[string]any{"code": code,
		"msp":   map[string]any{"name": "Bench"},
		"owner": map[string]any{"email": "bench@example.com", "first_name": "Ben", "last_name": "Ch"}}})
	if err != nil {
		return "", "", err
	}
	if answer.Status != http.StatusCreated {
		return "", "", fmt.Errorf("set-up answers %d: %s", answer.Status, answer.Body)
	}
	return answer.Object().Text("secret"), answer.Object().Text("node.id"), nil
}
