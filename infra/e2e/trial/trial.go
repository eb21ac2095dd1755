// Package trial tries what holds only under load: that a revoked key is dead, that a lock stops a flood of guesses, that a flood
// stops nobody else. The end-to-end tests run each trial small, the measurements run it at full size.
//
// A trial judges an answer by the client's own clock: a request counts as begun after an acknowledgement only if it was sent
// after the acknowledgement's last byte had been read, so no answer is judged too strictly.
package trial

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

// World is the deployment that a trial runs on.
type World struct {
	API   *client.Target
	Owner string // a token that may manage keys
	Node  string // where accounts are made
	// Logs returns the lines of all functions' logs that contain a text, each once.
	Logs func(ctx context.Context, containing string) ([]string, error)
}

// Key is a key with its secret.
type Key struct{ Account, ID, Secret string }

var names atomic.Int64

// Account makes a service account.
func (w World) Account(ctx context.Context) (string, error) {
	o, err := w.admin(ctx, "/service-accounts", client.Object{"name": w.name(), "node_id": w.Node}, http.StatusCreated)
	return o.Text("id"), err
}

// Issue makes a key of an account.
func (w World) Issue(ctx context.Context, account string) (Key, error) {
	o, err := w.admin(ctx, "/service-accounts/"+account+"/keys", client.Object{"name": w.name()}, http.StatusCreated)
	return Key{Account: account, ID: o.Text("key.id"), Secret: o.Text("secret")}, err
}

// NewKey makes an account with one key.
func (w World) NewKey(ctx context.Context) (Key, error) {
	account, err := w.Account(ctx)
	if err != nil {
		return Key{}, err
	}
	return w.Issue(ctx, account)
}

func (w World) name() string { return fmt.Sprintf("trial %s %d", w.Owner[8:16], names.Add(1)) }

// admin makes a call as the owner.
func (w World) admin(ctx context.Context, path string, body any, want int) (client.Object, error) {
	answer, err := w.call(ctx, path, body, want)
	return answer.Object(), err
}

func (w World) call(ctx context.Context, path string, body any, want int) (client.Answer, error) {
	r := client.Request{Method: http.MethodPost, Path: path, Body: body, Header: client.Bearer(w.Owner), Source: "127.0.0.1"}
	if want == http.StatusOK && body == nil {
		r.Body = client.Object{}
	}
	answer, err := w.API.Do(ctx, r)
	switch {
	case err != nil:
		return answer, err
	case answer.Violation != nil:
		return answer, answer.Violation
	case answer.Status != want:
		return answer, fmt.Errorf("trial: %s answers %d: %s", path, answer.Status, answer.Body)
	}
	return answer, nil
}

// account reads an account.
func (w World) account(ctx context.Context, id string) (client.Object, error) {
	answer, err := w.API.Do(ctx, client.Request{Method: http.MethodGet, Path: "/service-accounts/" + id, Header: client.Bearer(w.Owner), Source: "127.0.0.1"})
	if err == nil && answer.Status != http.StatusOK {
		err = fmt.Errorf("trial: the account answers %d: %s", answer.Status, answer.Body)
	}
	return answer.Object(), err
}

// patience is how often a request is sent again that was answered 503: the local stack's machine may be too busy for the
// functions' time limits. Such an answer is neither a yes nor a no.
const patience = 20

// use sends a secret to a route that every key opens.
func (w World) use(ctx context.Context, secret, source string) (answer client.Answer, err error) {
	for range patience {
		answer, err = w.API.Do(ctx, client.Request{Method: http.MethodGet, Path: "/me", Header: client.Bearer(secret), Source: source})
		switch {
		case err != nil:
			return answer, err
		case answer.Violation != nil:
			return answer, answer.Violation
		case answer.Status == http.StatusServiceUnavailable:
			unavailable.Add(1)
			continue
		case answer.Status != http.StatusOK && answer.Status != http.StatusUnauthorized:
			return answer, fmt.Errorf("trial: /me answers %d: %s", answer.Status, answer.Body)
		}
		return answer, nil
	}
	return answer, fmt.Errorf("trial: /me answers 503 %d times", patience)
}

var unavailable atomic.Int64

// Unavailable returns how many requests of all trials were answered 503 and sent again.
func Unavailable() int64 { return unavailable.Load() }

var sources atomic.Int64

// newSource is an address that no other party of a trial, and no test, has.
func newSource() string {
	n := sources.Add(1)
	return fmt.Sprintf("127.%d.%d.%d", 200+n/62500, n/250%250, 2+n%250)
}

// parallel runs n workers until all return, and joins their errors.
func parallel(n int, work func(worker int) error) error {
	failures := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { failures[i] = work(i) })
	}
	all.Wait()
	return errors.Join(failures...)
}
