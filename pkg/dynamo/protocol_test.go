package dynamo_test

import (
	"bytes"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/dynamo"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// canned answers requests with one body and, in turn, with these checksums; the last one stays.
type canned struct {
	status int
	body   string
	sums   []uint32
	calls  int
}

func (c *canned) Do(*http.Request) (*http.Response, error) {
	h := http.Header{}
	h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(c.sums[min(c.calls, len(c.sums)-1)]), 10))
	c.calls++
	return &http.Response{StatusCode: c.status, Header: h, Body: io.NopCloser(bytes.NewBufferString(c.body)), ContentLength: int64(len(c.body))}, nil
}

func TestAnswer_ThatWasDamagedIsAskedForAgainAndNeverUsed(t *testing.T) {
	t.Parallel()
	body := `{"Responses":{"I":[{"pk":{"S":"sa_1"},"type":{"S":"service_account"},"status":{"S":"active"}}]},"UnprocessedKeys":{}}`
	right := crc32.ChecksumIEEE([]byte(body))
	names := verify.Names{Principal: "sa_1"}

	c := &canned{status: 200, body: body, sums: []uint32{right + 1, right}}
	s, err := dynamo.NewVerifier(newClient("http://192.0.2.1", c), dynamo.Tables{Identity: "I"}).Snapshot(t.Context(), "", names)
	require.NoError(t, err)
	require.True(t, s.Principal.Active)
	require.Equal(t, 2, c.calls)

	c = &canned{status: 200, body: body, sums: []uint32{right + 1}}
	_, err = dynamo.NewVerifier(newClient("http://192.0.2.1", c), dynamo.Tables{Identity: "I"}).Snapshot(t.Context(), "", names)
	require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
	require.Equal(t, 3, c.calls)
}

func TestAnswer_OfAnUnexpectedFormIsNoAbsence(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{`, `{}`, `[]`, `{"Responses":{"I":[{"pk":{"S":"sa_1"},"type":{"S":"gateway"}}]}}`,
		`{"Responses":{"I":[{"pk":{"S":"sa_1"},"type":{"S":"service_account"},"event_seq":{"S":"one"}}]}}`} {
		c := &canned{status: 200, body: body, sums: []uint32{crc32.ChecksumIEEE([]byte(body))}}
		_, err := dynamo.NewVerifier(newClient("http://192.0.2.1", c), dynamo.Tables{Identity: "I"}).Snapshot(t.Context(), "", verify.Names{Principal: "sa_1"})
		require.Error(t, err, body)
		require.NotEqual(t, fault.NotFound, fault.KindOf(err), body)
	}
}
