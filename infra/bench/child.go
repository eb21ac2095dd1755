package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is a function's binary that is started again and again, and what its starts and first requests took.
type process struct {
	path  string
	env   []string
	event []byte

	init, first []time.Duration
}

// patience bounds a start and a first request.
const patience = 20 * time.Second

// runtimeAPI is Lambda's runtime API for one process: the three routes that a function of one request needs.
// Source: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes".
type runtimeAPI struct {
	asked  chan struct{} // the process asks for its next invocation
	events chan []byte
	answer chan error // nil when it was an answer
}

func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/invocation/next"):
		a.asked <- struct{}{}
		select {
		case event := <-a.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "5f1c6f9e-6c1a-4c3e-9a55-0a1b2c3d4e5f")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(patience).UnixMilli(), 10))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:authorizer")
			_, _ = w.Write(event)
		case <-r.Context().Done():
		}
	default:
		body, err := io.ReadAll(r.Body)
		if err == nil && !strings.HasSuffix(r.URL.Path, "/response") {
			err = fmt.Errorf("%s: %s", r.URL.Path, body)
		} else if err == nil && bytes.Contains(body, []byte(`"Deny"`)) {
			err = errors.New("the key is refused")
		}
		a.answer <- err
		w.WriteHeader(http.StatusAccepted)
	}
}

// measure starts the process, lets it answer one request, and ends it.
func (p *process) measure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	api := &runtimeAPI{asked: make(chan struct{}, 2), events: make(chan []byte, 1), answer: make(chan error, 1)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: api}
	go func() { _ = server.Serve(l) }()
	defer server.Close()

	var said bytes.Buffer
	c := exec.CommandContext(ctx, p.path)
	c.Env, c.Stdout, c.Stderr = append([]string{"AWS_LAMBDA_RUNTIME_API=" + l.Addr().String()}, p.env...), &said, &said
	if err := c.Start(); err != nil {
		return err
	}
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	}()
	wait := func(what string, happened <-chan struct{}) error {
		select {
		case <-happened:
			return nil
		case <-ctx.Done():
			return errors.New("it never " + what)
		}
	}
	if err := wait("asked for an invocation", api.asked); err != nil {
		return err
	}
	started, err := settled(c.Process.Pid)
	if err != nil {
		return err
	}
	api.events <- p.event
	if err := wait("asked for another one", api.asked); err != nil {
		return err
	}
	if err := <-api.answer; err != nil {
		return err
	}
	answered, err := settled(c.Process.Pid)
	if err != nil {
		return err
	}
	p.init, p.first = append(p.init, started), append(p.first, answered-started)
	return nil
}

// settled is the processor time of all threads of a process once it stands still.
func settled(pid int) (time.Duration, error) {
	last := time.Duration(-1)
	for {
		now, err := processorTime(pid)
		if err != nil || now == last {
			return now, err
		}
		last = now
		time.Sleep(3 * time.Millisecond)
	}
}

// processorTime adds up the run time of a process's threads, in nanoseconds: the first number of their schedstat (Linux).
func processorTime(pid int) (time.Duration, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err == nil && len(threads) == 0 {
		err = errors.New("no /proc with schedstat: processor times are measured on Linux only, while the process lives")
	}
	var sum int64
	for _, path := range threads {
		text, readErr := os.ReadFile(path)
		if readErr != nil {
			return 0, readErr
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, parseErr := strconv.ParseInt(first, 10, 64)
		if parseErr != nil {
			return 0, parseErr
		}
		sum += ns
	}
	return time.Duration(sum), err
}
