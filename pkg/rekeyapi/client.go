// Package rekeyapi calls rekey's own API with a key's secret, as a consumer does, from wherever the key's secret is kept.
//
// Every call is bounded in time, attempts and size, follows no redirect, and sends the secret over TLS only, or within the
// machine. What an answer says is kept out of errors but for the problem's code and its detail, less what looks like a secret.
package rekeyapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/secretrotation"
	"github.com/rekey-dev/rekey/pkg/token"
)

const (
	attempts  = 3
	backoff   = 200 * time.Millisecond // before the second attempt, at most; doubled before each further one
	callTime  = 4 * time.Second        // of one attempt
	maxAnswer = 256 << 10              // bytes
	maxDetail = 300                    // bytes of a problem's detail
)

// Client calls the API. It may be used by many goroutines.
type Client struct {
	http *http.Client
}

// New makes a client that trusts the system's certificates.
func New() *Client { return &Client{http: httpClient(nil)} }

func httpClient(config *tls.Config) *http.Client {
	if config == nil {
		config = &tls.Config{}
	}
	config.MinVersion = tls.VersionTLS12
	return &http.Client{
		Timeout: callTime,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: time.Second}).DialContext,
			TLSClientConfig:     config,
			TLSHandshakeTimeout: time.Second,
			IdleConnTimeout:     time.Minute,
		},
		// A redirect would carry the secret to wherever an answer points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// CheckURL returns an error unless base is an https URL without credentials, query and fragment, or an http one of the machine
// itself.
func (c *Client) CheckURL(base string) error {
	u, err := url.Parse(base)
	switch {
	case err != nil, u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "", u.ForceQuery:
		return errors.New("is no URL of an API")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return errors.New("is no https URL")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// RotateSelf is POST /me/key/rotate.
func (c *Client) RotateSelf(ctx context.Context, base string, secret token.Secret, idempotencyKey string) (id.Key, token.Secret, error) {
	var out struct {
		Key struct {
			ID string `json:"id"`
		} `json:"key"`
		Secret string `json:"secret"`
	}
	err := c.call(ctx, request{method: http.MethodPost, url: join(base, "/me/key/rotate"), bearer: secret, idempotencyKey: idempotencyKey, body: "{}"}, &out)
	if err != nil {
		return "", token.Secret{}, fmt.Errorf("rekeyapi: POST /me/key/rotate: %w", err)
	}
	k, ok := id.Parse[id.Key](out.Key.ID)
	if !ok {
		return "", token.Secret{}, errors.New("rekeyapi: POST /me/key/rotate: the answer has no key")
	}
	if out.Secret == "" {
		return k, token.Secret{}, nil
	}
	if t, ok := token.Parse(out.Secret); !ok || t.ID() != string(k) {
		return "", token.Secret{}, errors.New("rekeyapi: POST /me/key/rotate: the answer's secret is not the answer's key's")
	}
	return k, token.SecretOf(out.Secret), nil
}

// Me is GET /me.
func (c *Client) Me(ctx context.Context, base string, secret token.Secret) (id.Key, error) {
	var out struct {
		Key *struct {
			ID string `json:"id"`
		} `json:"key"`
	}
	if err := c.call(ctx, request{method: http.MethodGet, url: join(base, "/me"), bearer: secret}, &out); err != nil {
		return "", fmt.Errorf("rekeyapi: GET /me: %w", err)
	}
	if out.Key == nil {
		return "", errors.New("rekeyapi: GET /me: the caller is no key")
	}
	k, ok := id.Parse[id.Key](out.Key.ID)
	if !ok {
		return "", errors.New("rekeyapi: GET /me: the answer has no key")
	}
	return k, nil
}

// KeyStatus is POST /key-status.
func (c *Client) KeyStatus(ctx context.Context, base string, secret token.Secret) (string, error) {
	body, err := json.Marshal(map[string]string{"secret": secret.Reveal()})
	if err != nil {
		return "", errors.New("rekeyapi: POST /key-status: the secret is no text")
	}
	var out struct {
		Status string `json:"status"`
	}
	if err := c.call(ctx, request{method: http.MethodPost, url: join(base, "/key-status"), body: string(body)}, &out); err != nil {
		return "", fmt.Errorf("rekeyapi: POST /key-status: %w", err)
	}
	return token.Redact(out.Status), nil
}

func join(base, path string) string { return strings.TrimSuffix(base, "/") + path }

type request struct {
	method, url, idempotencyKey, body string
	bearer                            token.Secret
}

// call makes a call at most three times: after a failed connection, a throttle or an error of the service.
func (c *Client) call(ctx context.Context, r request, out any) error {
	for n, wait := 1, backoff; ; n, wait = n+1, wait*2 {
		err := c.once(ctx, r, out)
		var answer *secretrotation.APIError
		if err == nil || n == attempts || errors.As(err, &answer) && answer.Status < 500 && answer.Status != http.StatusTooManyRequests {
			return err
		}
		t := time.NewTimer(rand.N(wait))
		select {
		case <-ctx.Done():
			t.Stop()
			return err
		case <-t.C:
		}
	}
}

func (c *Client) once(ctx context.Context, r request, out any) error {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, strings.NewReader(r.body))
	if err != nil {
		return errors.New("the URL is not one that can be called")
	}
	req.Header.Set("Accept", "application/json")
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if !r.bearer.IsZero() {
		req.Header.Set("Authorization", "Bearer "+r.bearer.Reveal())
	}
	if r.idempotencyKey != "" {
		req.Header.Set("Idempotency-Key", r.idempotencyKey)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return errors.New("the answer broke off")
	case len(answer) > maxAnswer:
		return fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	case res.StatusCode/100 != 2:
		return problem(res, answer)
	}
	// The decoder's error may quote the answer, which can hold a secret.
	if json.NewDecoder(bytes.NewReader(answer)).Decode(out) != nil {
		return errors.New("the answer is not the JSON that was expected")
	}
	return nil
}

func problem(res *http.Response, answer []byte) error {
	var p struct {
		Code      string `json:"code"`
		Detail    string `json:"detail"`
		RequestID string `json:"request_id"`
	}
	e := &secretrotation.APIError{Status: res.StatusCode}
	if json.Unmarshal(answer, &p) == nil {
		p.Detail = token.Redact(p.Detail)
		e.Code, e.Detail, e.RequestID = token.Redact(p.Code), p.Detail[:min(len(p.Detail), maxDetail)], token.Redact(p.RequestID)
	}
	return e
}
