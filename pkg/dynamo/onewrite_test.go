package dynamo_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// countingConn counts what net/http hands to the kernel.
type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

func TestClient_SendsARequestInOneWrite_P4(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || len(body) == 0 {
			w.WriteHeader(http.StatusBadRequest)
		}
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".BatchGetItem") {
			_, _ = io.WriteString(w, `{"Responses":{"Identity":[]},"UnprocessedKeys":{}}`)
			return
		}
		_, _ = io.WriteString(w, `{}`)
	}))
	defer server.Close()
	var writes atomic.Int64
	client := newClient(server.URL, &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return countingConn{c, &writes}, err
	}}})
	v := dynamo.NewVerifier(client, dynamo.Tables{Identity: "Identity"})
	const calls = 3
	for range calls {
		require.NoError(t, v.Warm(t.Context()))
		_, err := v.Snapshot(t.Context(), "", verify.Names{Principal: "sa_1"})
		require.NoError(t, err)
	}
	require.EqualValues(t, 2*calls, writes.Load())
}
