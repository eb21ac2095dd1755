package boot

import (
	"crypto/tls"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// Bounds of one attempt of a call to AWS. The SDK's own would wait 30 seconds for a connection, and for an answer without
// end; a function's caller waits for 29 seconds at most, an authorizer's for 10.
const (
	dialTimeout   = 500 * time.Millisecond
	tlsTimeout    = time.Second // on the processor share of the smallest function a handshake takes up to half of it
	answerTimeout = time.Second // from the request's end to the answer's headers
	idleTimeout   = 10 * time.Minute
	connections   = 16 // kept open to each host

	attempts = 3
	shortest = 25 * time.Millisecond // pause after the first attempt, at most
	longest  = 100 * time.Millisecond
)

// newHTTPClient makes the one client that every client of AWS in a process shares. A connection is kept for longer than an
// environment is usually frozen between two requests; if the other side has closed it, the attempt is made again.
func newHTTPClient() *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dialer.DialContext,
			TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   tlsTimeout,
			ResponseHeaderTimeout: answerTimeout,
			IdleConnTimeout:       idleTimeout,
			MaxIdleConnsPerHost:   connections,
		},
		// No AWS API redirects; a request's signature is of its own host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// newRetryer makes a retryer that pauses for at most 100 ms, after throttled calls too: the SDK's default sleeps for about
// a second then, which is longer than a verdict may take.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.MaxBackoff = longest
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return rand.N(min(shortest<<min(attempt, 4), longest)), nil
		})
	})
}
