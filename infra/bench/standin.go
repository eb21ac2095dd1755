package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// standInVariable makes this program a stand-in for AWS in front of the DynamoDB endpoint that it holds, until its standard
// input ends.
const standInVariable = "REKEY_BENCH_STANDIN"

// amazon is what the authorizer talks to when its process is measured: it asks a DynamoDB endpoint each question once and gives
// the same answer from then on, with the headers that DynamoDB sends; it knows the peppers, and it takes the row of usage without
// keeping it.
type amazon struct {
	endpoint string

	mu      sync.Mutex
	answers map[[sha256.Size]byte][]byte
}

func newAmazon(endpoint string) *amazon {
	return &amazon{endpoint: endpoint, answers: map[[sha256.Size]byte][]byte{}}
}

func (a *amazon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var answer []byte
	switch target := r.Header.Get("X-Amz-Target"); target {
	case "secretsmanager.GetSecretValue":
		answer = []byte(`{"SecretString":"{\"current\":\"v1\",\"v1\":\"` + pepper + `\"}","VersionId":"00000000-0000-4000-8000-000000000001","CreatedDate":1795262430.0}`)
	case "DynamoDB_20120810.GetItem", "DynamoDB_20120810.BatchGetItem":
		if answer, err = a.ask(r, target, body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	case "DynamoDB_20120810.UpdateItem":
		answer = []byte("{}") // an environment's first request of an hour writes its row of usage; later ones write nothing
	default:
		http.Error(w, "a steady request does not need "+target, http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-1.0")
	h.Set("Server", "Server")
	h.Set("X-Amzn-Requestid", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEF")
	h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(answer)), 10))
	_, _ = w.Write(answer)
}

func (a *amazon) ask(r *http.Request, target string, body []byte) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	question := sha256.Sum256(append([]byte(target), body...))
	if answer, ok := a.answers[question]; ok {
		return answer, nil
	}
	q, err := http.NewRequestWithContext(r.Context(), http.MethodPost, a.endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header = r.Header.Clone()
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d: %s", target, resp.StatusCode, answer)
	}
	if err == nil {
		a.answers[question] = answer
	}
	return answer, err
}

// standIn is this program's other main.
func standIn(endpoint string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: "+err.Error())
		os.Exit(1)
	}
	fmt.Println("http://" + l.Addr().String())
	go func() { _ = http.Serve(l, newAmazon(endpoint)) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// startStandIn runs a stand-in in a process of its own, so that what it allocates is not counted.
func startStandIn(ctx context.Context, endpoint string) (address string, stop func(), err error) {
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env, c.Stderr = append(os.Environ(), standInVariable+"="+endpoint), os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := c.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		in.Close()
		_ = c.Wait()
	}
	if address, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		stop()
		return "", nil, err
	}
	return strings.TrimSpace(address), stop, nil
}
