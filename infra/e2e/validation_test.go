package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/infra/e2e/client"
)

func TestValidation_ANewAccountsMembersAreRefusedByPointer(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	for _, r := range []struct {
		pointer string
		body    client.Object
	}{
		{"/name", client.Object{"name": ""}},
		{"/name", client.Object{"name": strings.Repeat("n", 101)}},
		{"/name", client.Object{"name": "a\u0000b"}},
		{"/name", client.Object{"name": "a\u200bb"}},
		{"/name", client.Object{"name": "line\nbreak"}},
		{"/name", client.Object{"name": 7}},
		{"/name", client.Object{"name": nil}},
		{"/description", client.Object{"description": strings.Repeat("d", 501)}},
		{"/description", client.Object{"description": "bell\u0007"}},
		{"/company_id", client.Object{"company_id": "co_00000000000000000000"}},
		{"/role_id", client.Object{"role_id": "owner"}},
		{"/contacts/1", client.Object{"contacts": []string{"a@example.com", "nobody"}}},
		{"/contacts", client.Object{"contacts": "a@example.com"}},
		{"/external_id", client.Object{"external_id": strings.Repeat("e", 101)}},
		{"/tags/0", client.Object{"tags": []string{"Upper"}}},
		{"/tags/0", client.Object{"tags": []string{strings.Repeat("t", 41)}}},
		{"/tags", client.Object{"tags": strings.Split(strings.Repeat("t,", 10)+"t", ",")}},
		{"/nmae", client.Object{"nmae": "x"}},
		{"/status", client.Object{"status": "revoked"}},
		{"/a~1b", client.Object{"a/b": 1}},
	} {
		body := client.Object{"name": newName(t), "node_id": world.node}
		for k, v := range r.body {
			body[k] = v
		}
		p.post("/service-accounts", body).invalid(r.pointer)
	}
	p.post("/service-accounts", client.Object{}).invalid("/name")
	p.post("/service-accounts", client.Object{"name": newName(t)}).invalid("/node_id")
	p.post("/service-accounts", client.Object{"nmae": "x", "node_id": world.node}).invalid("/name", "/nmae")
	account := p.account(client.Object{"name": "ü" + strings.Repeat("n", 99), "description": strings.Repeat("d", 500), "external_id": strings.Repeat("e", 100)})
	path := "/service-accounts/" + account.Text("id")
	p.patch(path, client.Object{"name": ""}).invalid("/name")
	p.patch(path, client.Object{"node_id": world.node}).invalid("/node_id")
	p.patch(path, client.Object{"tags": []string{"a", "a"}}).invalid("/tags/1")
	p.delete(path).expect(http.StatusNoContent)
}

func TestValidation_AKeysMembersAreRefusedByPointer(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	account := p.account().Text("id")
	path := "/service-accounts/" + account + "/keys"
	for _, r := range []struct {
		pointer string
		body    client.Object
	}{
		{"/name", client.Object{}},
		{"/name", client.Object{"name": ""}},
		{"/name", client.Object{"name": strings.Repeat("n", 101)}},
		{"/scopes", client.Object{"name": "k", "scopes": "keys:read"}},
		{"/scopes/0", client.Object{"name": "k", "scopes": []any{7}}},
		{"/expires_at", client.Object{"name": "k", "expires_at": "tomorrow"}},
		{"/expires_at", client.Object{"name": "k", "expires_at": inSeconds(-1)}},
		{"/type", client.Object{"name": "k", "type": "password"}},
		{"/secret", client.Object{"name": "k", "secret": "mine"}},
	} {
		p.post(path, r.body).invalid(r.pointer)
	}
	require.Empty(t, p.all(path+"?limit=1"))
	k := p.issue(account)
	p.post("/keys/"+k.id+"/revoke", client.Object{"reason": "boredom"}).invalid("/reason")
	p.post("/keys/"+k.id+"/revoke", client.Object{"note": strings.Repeat("n", 501)}).invalid("/note")
	p.post("/keys/"+k.id+"/deactivate", client.Object{"reason": "x"}).invalid("/reason")
	p.post("/keys/"+k.id+"/regenerate", client.Object{"expires_at": 7}).invalid("/expires_at")
	p.post("/service-accounts/"+account+"/rotate", client.Object{"all": "yes"}).invalid("/all")
	p.post("/service-accounts/"+account+"/revoke", client.Object{"reason": strings.Repeat("r", 501)}).invalid("/reason")
	p.patch("/keys/"+k.id, client.Object{"name": nil}).invalid("/name")
	p.post("/key-status", client.Object{}).invalid("/secret")
	p.post("/key-status", client.Object{"secret": nil}).invalid("/secret")
	holding(t, k.secret).get("/me").expect(http.StatusOK)
}

func TestValidation_ABodyThatIsNotWhatItShouldBe(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	path := "/service-accounts"
	for _, body := range []string{"", "{", `{"name": }`, "name=x", `{"name": "x"} {}`, "\xff", "[1,", `{"name": NaN}`} {
		p.post(path, body).problem(http.StatusBadRequest, "malformed_request")
	}
	for _, body := range []string{"[]", "null", `"text"`, "7"} {
		p.post(path, body).invalid("")
	}
	p.post(path, `{"name": "a", "name": "b", "node_id": "`+world.node+`"}`).invalid("/name")
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	p.post(path, deep).expect(http.StatusUnprocessableEntity)

	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data"} {
		p.also("Content-Type", media).post(path, client.Object{"name": "x"}).problem(http.StatusUnsupportedMediaType, "unsupported_media_type")
	}
	p.also("Content-Type", "application/json; charset=utf-8").post(path, client.Object{"name": newName(t), "node_id": world.node}).expect(http.StatusCreated)

	big := client.Object{"name": newName(t), "node_id": world.node, "description": strings.Repeat("d", 64<<10)}
	p.post(path, big).problem(http.StatusRequestEntityTooLarge, "payload_too_large")
	stranger(t).post("/key-status", client.Object{"secret": strings.Repeat("s", 64<<10)}).problem(http.StatusRequestEntityTooLarge, "payload_too_large")
	p.post(path, strings.Repeat(" ", 5<<20)).problem(http.StatusRequestEntityTooLarge, "payload_too_large")
}

// A client library refuses to send these, so they are written to a connection as they are.
func TestValidation_ARawRequestWithControlCharactersIsNever500(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	u, err := url.Parse(world.APIURL)
	require.NoError(t, err)
	for name, header := range map[string]string{
		"a control character":   "Authorization: Bearer " + k.secret[:40] + "\x01" + k.secret[41:],
		"a DEL":                 "Authorization: Bearer " + k.secret + "\x7f",
		"a bare carriage":       "Authorization: Bearer " + k.secret + "\rX-API-Key: " + k.secret,
		"a NUL":                 "X-API-Key: " + k.secret + "\x00",
		"a byte beyond ASCII":   "X-API-Key: \xff" + k.secret,
		"many blanks":           "Authorization: Bearer     " + strings.Repeat(" ", 3000) + k.secret[:70],
		"the header three ways": "Authorization: Bearer " + k.secret + "\r\nauthorization: Bearer " + k.secret + "\r\nX-Api-Key: " + k.secret,
	} {
		t.Run(name, func(t *testing.T) {
			connection, err := net.Dial("tcp", u.Host)
			require.NoError(t, err)
			defer connection.Close()
			_, err = fmt.Fprintf(connection, "GET %s/me HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n\r\n", u.Path, u.Host, header)
			require.NoError(t, err)
			answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
			if err != nil {
				return // the connection was closed on what is no HTTP
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			require.Contains(t, []int{400, 401}, answer.StatusCode, "%s", body)
			require.Empty(t, world.secrets.Find(body), "%s", body)
		})
	}
	require.Equal(t, "active", stranger(t).status(k.secret).Text("status"))
}

func TestValidation_EveryAnswerHasItsRequestIDAndTheRecordHasTheSame(t *testing.T) {
	t.Parallel()
	p := asOwner(t)
	created := p.post("/service-accounts", client.Object{"name": newName(t), "node_id": world.node})
	created.expect(http.StatusCreated)
	records := p.audit("request_id=" + created.Header.Get("X-Request-Id"))
	require.Len(t, records, 1)
	require.Equal(t, "service_account.created", records[0]["action"])
	require.Equal(t, created.Header.Get("X-Request-Id"), records[0]["request_id"])
	require.Equal(t, "127.0.0.1", records[0]["source_ip"])
	require.Equal(t, "rekey-e2e/1", records[0]["user_agent"])
	eventually(t, soon, func() bool {
		lines, err := world.LogLines(t.Context(), created.Header.Get("X-Request-Id"))
		require.NoError(t, err)
		return len(lines) > 0
	}, "the request ID is in no function's log")
	one, two := p.get("/me").Header.Get("X-Request-Id"), p.get("/me").Header.Get("X-Request-Id")
	require.NotEqual(t, one, two)
	require.NotEqual(t, "chosen", p.also("X-Request-Id", "chosen").get("/me").Header.Get("X-Request-Id"))
}
