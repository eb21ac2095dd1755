package dynamo_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// stubVariable makes the test binary a server that answers every request with what it reads from its standard input, so
// that what the server allocates is not counted.
const stubVariable = "REKEY_DYNAMO_STUB"

func TestMain(m *testing.M) {
	if os.Getenv(stubVariable) != "" {
		stub()
		return
	}
	os.Exit(m.Run())
}

func stub() {
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	sum := strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10)
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.Header().Set("X-Amz-Crc32", sum)
		w.Header().Set("X-Amzn-Requestid", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEF")
		w.Header().Set("Server", "Server")
		_, _ = w.Write(body)
	}))
}

// serve starts a server for one answer in a process of its own and returns its address.
func serve(tb testing.TB, answer []byte) string {
	c := exec.Command(os.Args[0])
	c.Env, c.Stdin = append(os.Environ(), stubVariable+"=1"), bytes.NewReader(answer)
	out, err := c.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, c.Start())
	tb.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	var address string
	_, err = fmt.Fscanln(out, &address)
	require.NoError(tb, err)
	return "http://" + address
}

// recorder keeps the last answer.
type recorder struct{ last []byte }

func (r *recorder) Do(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	r.last, err = io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(r.last))
	return resp, err
}

// snapshotAllocs bounds what a warm verified request's read allocates, the SDK's and net/http's parts included: 430 are
// promised for the whole request, 45 of them for rekey's own code.
const snapshotAllocs = 170

// warmSnapshot returns a verdict's read against a canned answer.
func warmSnapshot(tb testing.TB, way func(*dynamo.Client) dynamo.API) (read func() (verify.Snapshot, error), key string) {
	w := deploy(tb).tenant(tb)
	answers := &recorder{}
	_, err := dynamo.NewVerifier(newClient(*w.client.Options().BaseEndpoint, answers), w.tables).Snapshot(tb.Context(), string(w.key.ID), w.names())
	require.NoError(tb, err)
	v := dynamo.NewVerifier(way(newClient(serve(tb, answers.last), nil)), w.tables)
	id, names := string(w.key.ID), w.names()
	return func() (verify.Snapshot, error) { return v.Snapshot(context.Background(), id, names) }, id
}

func TestSnapshot_AllocatesWithinItsBudget(t *testing.T) {
	read, key := warmSnapshot(t, func(c *dynamo.Client) dynamo.API { return c })
	s, err := read()
	require.NoError(t, err)
	require.Equal(t, key, s.Credential.ID)
	require.NotNil(t, s.Principal)
	allocs := testing.AllocsPerRun(200, func() { _, _ = read() })
	t.Logf("%.0f allocations", allocs)
	require.LessOrEqual(t, allocs, float64(snapshotAllocs))
}

func BenchmarkSnapshot(b *testing.B) {
	read, _ := warmSnapshot(b, func(c *dynamo.Client) dynamo.API { return c })
	bench(b, read)
}

func BenchmarkSnapshot_BySDK(b *testing.B) {
	read, _ := warmSnapshot(b, func(c *dynamo.Client) dynamo.API { return c.Client })
	bench(b, read)
}

func bench(b *testing.B, read func() (verify.Snapshot, error)) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := read(); err != nil {
			b.Fatal(err)
		}
	}
}
