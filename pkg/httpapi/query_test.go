package httpapi_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
)

func list(query string) httpapitest.Request {
	r := as("GET", "/things")
	r.Query = query
	return r
}

func TestQuery_UnknownRepeatedEmptyAndBadParametersAreNamed(t *testing.T) {
	for query, pointers := range map[string][]string{
		"x=1":                        {"/x"},
		"Limit=5":                    {"/Limit"},
		"limit=1&limit=2":            {"/limit"},
		"q=a&q=a":                    {"/q"},
		"limit=":                     {"/limit"},
		"q=":                         {"/q"},
		"limit=0":                    {"/limit"},
		"limit=101":                  {"/limit"},
		"limit=-1":                   {"/limit"},
		"limit=1.0":                  {"/limit"},
		"limit=%2B5":                 {"/limit"},
		"limit=05":                   {"/limit"},
		"limit=1e1":                  {"/limit"},
		"limit=9999999999999999999":  {"/limit"},
		"limit=ten":                  {"/limit"},
		"live=1":                     {"/live"},
		"live=True":                  {"/live"},
		"kind=tiny":                  {"/kind"},
		"from=yesterday":             {"/from"},
		"from=2026-11-21":            {"/from"},
		"q=elevenchars":              {"/q"},
		"q=" + secretLike:            {"/q"},
		"a%2Fb=1":                    {"/a~1b"},
		"q=%FF":                      {"/q"},
		"q=%00":                      {"/q"},
		secretLike + "=1":            {"/[redacted]"},
		"x=1&limit=0&y=2&kind=other": {"/kind", "/limit", "/x", "/y"},
	} {
		t.Run(query, func(t *testing.T) {
			got := do(t, list(query))
			got.Invalid(t, pointers...)
			require.NotContains(t, got.Body, secretLike[25:50])
		})
	}
	r := as("GET", "/things/{id}")
	r.Query = "limit=1"
	do(t, r).Invalid(t, "/limit")
	r = post(`{"name":"a"}`)
	r.Query = "q=a"
	do(t, r).Invalid(t, "/q")
}

func TestQuery_ReachesTheOperation(t *testing.T) {
	th := &things{}
	a := th.api()
	require.Equal(t, 200, list("").Do(t, a).Status)
	require.Equal(t, 50, th.in.(*listInput).Limit, "the default")
	require.Equal(t, 200, list("limit=100&q=%C3%A4%20%2B&live=true&kind=big&from=2026-11-21T00:00:00.5%2B01:00").Do(t, a).Status)
	in := th.in.(*listInput)
	require.Equal(t, 100, in.Limit)
	require.Equal(t, "ä +", in.Q)
	require.True(t, in.Live)
	require.True(t, in.From.Equal(time.Date(2026, 11, 20, 23, 0, 0, 500e6, time.UTC)))
}

func TestCursor_GoesOnOnlyForItsCallerListAndFilters(t *testing.T) {
	a := (&things{}).api()
	first := list("q=a&kind=big").Do(t, a).JSON(t)
	cursor := url.QueryEscape(first["next"].(string))
	require.NotContains(t, first["next"], "x", "the position")
	require.Equal(t, 200, list("q=a&kind=big&cursor="+cursor).Do(t, a).Status)
	require.Equal(t, 200, list("kind=big&limit=7&cursor="+cursor+"&q=a").Do(t, a).Status, "neither order nor size of the page matter")
	list("q=b&kind=big&cursor="+cursor).Do(t, a).Invalid(t, "/cursor")
	list("q=a&cursor="+cursor).Do(t, a).Invalid(t, "/cursor")
	list("q=a&kind=big&cursor="+cursor+"A").Do(t, a).Invalid(t, "/cursor")
	list("q=a&kind=big&cursor="+strings.Repeat("A", 3000)).Do(t, a).Invalid(t, "/cursor")

	other := list("q=a&kind=big&cursor=" + cursor)
	c := httpapitest.Viewer()
	c.ID = "emp_00000000000000000002"
	other.Caller = &c
	other.Do(t, a).Invalid(t, "/cursor")
	c = httpapitest.Owner()
	c.Place.Path = "node_00000000000000000002"
	other.Do(t, a).Invalid(t, "/cursor")
}
