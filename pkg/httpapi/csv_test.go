package httpapi_test

import (
	"context"
	"encoding/csv"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/httpapi"
	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
	"github.com/rekey-dev/rekey/pkg/permission"
)

type rowsInput struct{ httpapi.Format }

type rowsBody struct {
	Rows int `json:"rows"`
}

// answering is an API with one list, which shows these rows.
func answering(rows [][]string) *httpapi.API {
	a := httpapitest.API(nil)
	httpapi.Register(a, httpapi.Operation{ID: "listRows", Method: http.MethodGet, Path: "/rows", Tag: "rows", Summary: "List rows",
		Access: httpapi.Needs(permission.KeysRead), CSV: true},
		func(_ context.Context, _ call.Call, in *rowsInput) (bool, error) { return in.CSV(), nil },
		func(asCSV bool) httpapi.Answer[rowsBody] {
			out := httpapi.Answer[rowsBody]{Body: rowsBody{len(rows)}}
			if asCSV {
				out.Table = &httpapi.Table{File: "rows.csv", Columns: []string{"kind", "user_agent"}, Rows: rows, Next: "sealed"}
			}
			return out
		})
	return a
}

func rowsOf(t *testing.T, query string, rows [][]string) httpapitest.Response {
	t.Helper()
	owner := httpapitest.Owner()
	return httpapitest.Request{Method: http.MethodGet, Resource: "/rows", Query: query, Caller: &owner}.Do(t, answering(rows))
}

func TestCSV_IsAFileByRFC4180WithOneHeaderLine_D7(t *testing.T) {
	got := rowsOf(t, "format=csv", [][]string{{"usage", "a \"quoted\", agent"}, {"usage", "two\nlines"}})
	require.Equal(t, 200, got.Status)
	require.Equal(t, "text/csv; charset=utf-8", got.Header["Content-Type"])
	require.Equal(t, `attachment; filename="rows.csv"`, got.Header["Content-Disposition"])
	require.Equal(t, "sealed", got.Header["Rekey-Next"])
	require.Equal(t, "kind,user_agent\r\nusage,\"a \"\"quoted\"\", agent\"\r\nusage,\"two\r\nlines\"\r\n", got.Body)
}

func TestCSV_IsJSONWhenNobodyAsksOtherwise(t *testing.T) {
	for _, query := range []string{"", "format=json"} {
		got := rowsOf(t, query, nil)
		require.Equal(t, "application/json", got.Header["Content-Type"])
		require.JSONEq(t, `{"rows":0}`, got.Body)
		require.NotContains(t, got.Header, "Rekey-Next")
	}
	rowsOf(t, "format=xml", nil).Invalid(t, "/format")
}

// What a stranger sends as user agent is text, whoever opens the file.
func TestCSV_HoldsNoFormula_D7(t *testing.T) {
	var rows [][]string
	cells := []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", `=HYPERLINK("https://evil.example","x")`}
	for _, cell := range cells {
		rows = append(rows, []string{"usage", cell})
	}
	rows = append(rows, []string{"usage", "curl/8.5.0 =1"})
	read, err := csv.NewReader(strings.NewReader(rowsOf(t, "format=csv", rows).Body)).ReadAll()
	require.NoError(t, err)
	for i := range cells {
		require.True(t, strings.HasPrefix(read[i+1][1], "'"), "%q", read[i+1][1])
	}
	require.Equal(t, "curl/8.5.0 =1", read[len(read)-1][1])
}

func TestCSV_ARowOfAnotherLengthIsAnErrorOfOurs(t *testing.T) {
	rowsOf(t, "format=csv", [][]string{{"usage"}}).Problem(t, 500, "internal")
}

func TestCSV_OnlyAGetAnswersWithIt(t *testing.T) {
	require.Panics(t, func() {
		httpapi.Register(httpapitest.API(nil), httpapi.Operation{ID: "x", Method: http.MethodPost, Path: "/x", CSV: true},
			func(context.Context, call.Call, *struct{}) (int, error) { return 0, nil },
			func(int) httpapi.Answer[httpapi.None] { return httpapi.Answer[httpapi.None]{} })
	})
}
