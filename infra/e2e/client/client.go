// Package client calls rekey's API as its consumers do, from as many addresses as a test wants: every address of 127.0.0.0/8 is
// this machine's own (on Linux), and the local stack takes a connection's peer as the source of a request.
package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rekey-dev/rekey/infra/e2e/contract"
)

// Target is a deployment's API. It may be used by many goroutines.
type Target struct {
	BaseURL string // with the stage, without a slash at the end
	// Observe, if not nil, is told of every exchange; what it returns is the answer's Violation.
	Observe func(contract.Exchange) error

	mu      sync.Mutex
	clients map[string]*http.Client // by source
}

// timeout is longer than API Gateway's 29 s.
const timeout = 60 * time.Second

func (t *Target) from(source string) *http.Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ok := t.clients[source]; ok {
		return c
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if source != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(source)}
	}
	c := &http.Client{Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConns: 256, MaxIdleConnsPerHost: 64,
			IdleConnTimeout: 5 * time.Second, DisableCompression: true}}
	if t.clients == nil {
		t.clients = map[string]*http.Client{}
	}
	t.clients[source] = c
	return c
}

// Request is one call.
type Request struct {
	Method string
	Path   string // with the query
	Body   any    // sent as JSON; []byte and string as they are; nil for none
	Header http.Header
	Source string // an address of this machine; "" for any
}

// Bearer, APIKey and Basic are the three ways to send a secret.
func Bearer(secret string) http.Header { return http.Header{"Authorization": {"Bearer " + secret}} }
func APIKey(secret string) http.Header { return http.Header{"X-Api-Key": {secret}} }
func Basic(user, secret string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))}}
}

// Answer is what came back.
type Answer struct {
	Status  int
	Header  http.Header
	Body    []byte
	Started time.Time // just before the request was sent
	Ended   time.Time // when the last byte of the answer was read
	// Violation says what of the exchange is not as the OpenAPI document says.
	Violation error
}

// Do makes a call. An error means that no answer came.
func (t *Target) Do(ctx context.Context, r Request) (Answer, error) {
	var body []byte
	switch b := r.Body.(type) {
	case nil:
	case []byte:
		body = b
	case string:
		body = []byte(b)
	default:
		var err error
		if body, err = json.Marshal(b); err != nil {
			return Answer{}, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, t.BaseURL+r.Path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if r.Body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("User-Agent", "rekey-e2e/1")
	for name, values := range r.Header {
		request.Header[name] = values
	}
	out := Answer{Started: time.Now()}
	answer, err := t.from(r.Source).Do(request)
	if err != nil {
		return out, err
	}
	defer answer.Body.Close()
	out.Body, err = io.ReadAll(answer.Body)
	out.Ended, out.Status, out.Header = time.Now(), answer.StatusCode, answer.Header
	if err == nil && t.Observe != nil {
		path, _, _ := strings.Cut(r.Path, "?")
		out.Violation = t.Observe(contract.Exchange{Method: r.Method, Path: path, Query: request.URL.Query(), RequestBody: body,
			Status: out.Status, Header: out.Header, ResponseBody: out.Body})
	}
	return out, err
}

// Object is a JSON object.
type Object map[string]any

// Object decodes the body; nil when it is no JSON object.
func (a Answer) Object() Object {
	var o Object
	if json.Unmarshal(a.Body, &o) != nil {
		return nil
	}
	return o
}

// Text returns a text member by its path, such as "key.id"; "" when it is not there or no text.
func (o Object) Text(path string) string {
	s, _ := o.At(path).(string)
	return s
}

// Number returns a number member by its path; 0 when it is not there or no number.
func (o Object) Number(path string) int {
	n, _ := o.At(path).(float64)
	return int(n)
}

// Object returns an object member by its path; nil when it is not there or no object.
func (o Object) Object(path string) Object {
	m, _ := o.At(path).(map[string]any)
	return m
}

// Objects returns the objects of an array member by its path.
func (o Object) Objects(path string) []Object {
	list, _ := o.At(path).([]any)
	out := make([]Object, 0, len(list))
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// Texts returns the texts of an array member by its path.
func (o Object) Texts(path string) []string {
	list, _ := o.At(path).([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// At returns a member by its path; nil when it is not there.
func (o Object) At(path string) any {
	var at any = map[string]any(o)
	for _, name := range strings.Split(path, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[name]
	}
	return at
}
