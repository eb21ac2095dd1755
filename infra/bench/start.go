package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// secondStart measures what `make run` takes the second time: from the command to the answer to a request with a token of the
// first time, in a folder and on a port of its own. It is the only figure in wall-clock time.
func secondStart(ctx context.Context, _ settings) (figures []Figure, err error) {
	python, err := filepath.Abs(".local/venv/bin/python")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(python); err != nil {
		return nil, fmt.Errorf("the local stack is not installed (`make bench` does it): %w", err)
	}
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	tool := python + " infra/local/stack.py --folder " + folder
	run := func(target string) error {
		c := exec.CommandContext(ctx, "make", "--silent", target, "PORT="+port, "STACK="+tool)
		if text, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("make %s: %w: %s", target, err, text)
		}
		return nil
	}
	defer func() {
		if stopped := run("clean"); err == nil {
			err = stopped
		}
	}()
	start := time.Now()
	if err := run("run"); err != nil {
		return nil, err
	}
	first := time.Since(start)
	var described struct {
		APIURL    string `json:"api_url"`
		SetupCode string `json:"setup_code"`
	}
	text, err := os.ReadFile(filepath.Join(folder, "stack.json"))
	if err == nil {
		err = json.Unmarshal(text, &described)
	}
	if err != nil {
		return nil, err
	}
	api := &client.Target{BaseURL: described.APIURL}
	token, _, err := setUp(ctx, api, described.SetupCode)
	if err != nil {
		return nil, err
	}
	if err := run("stop"); err != nil {
		return nil, err
	}
	start = time.Now()
	if err := run("run"); err != nil {
		return nil, err
	}
	answer, err := api.Do(ctx, client.Request{Method: http.MethodGet, Path: "/me", Header: client.Bearer(token)})
	if err != nil {
		return nil, err
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("yesterday's token is answered %d: %s", answer.Status, answer.Body)
	}
	return []Figure{at("seconds from `make run` to a working curl, second time", time.Since(start).Seconds(), 20,
		fmt.Sprintf("first time, with the tools installed: %.1f", first.Seconds()))}, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}
