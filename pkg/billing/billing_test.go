package billing_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/billing"
)

func TestRead_TheDeploymentsFileIsAsItMustBe_W4(t *testing.T) {
	c, err := billing.Read()
	require.NoError(t, err)
	require.NotEmpty(t, c.Packages)
}

const valid = `{"seats": 25, "packages": [{"id": "starter", "name": "Starter", "limits": {"keys": 10}}, {"id": "all", "name": "All", "limits": {"keys": null}}]}`

func TestParse_LimitsAreNumbersOrNull_W4_S7(t *testing.T) {
	c, err := billing.Parse([]byte(valid))
	require.NoError(t, err)
	require.Equal(t, 25, *c.Seats)
	require.Equal(t, 10, c.Keys("starter"))
	require.Zero(t, c.Keys("all"))
	require.Zero(t, c.Keys("of yesterday's file"))
	require.True(t, c.Has("all"))
	require.False(t, c.Has("none"))
	c, err = billing.Parse([]byte(strings.Replace(valid, "25", "null", 1)))
	require.NoError(t, err)
	require.Nil(t, c.Seats)
}

func TestParse_RefusesWhatCouldBeMeantOtherwise_W4(t *testing.T) {
	for _, edit := range [][2]string{
		{`"seats": 25, `, ``}, {`25`, `0`}, {`25`, `2.5`}, {`25`, `"25"`}, {`"keys": 10`, ``}, {`{"keys": 10}`, `null`}, {`"keys": 10`, `"keys": 0`}, {`"keys": 10`, `"keys": -1`},
		{`"keys": 10`, `"keys": 10, "service_accounts": 5`}, {`"id": "all"`, `"id": "starter"`}, {`"starter"`, `"Starter"`}, {`"starter"`, `""`}, {`"starter"`, `"` + strings.Repeat("x", 41) + `"`},
		{`"Starter"`, `""`}, {`"Starter"`, `"a\u200bb"`}, {`]}`, `]} {}`}, {`"packages": [`, `"package": [`},
	} {
		text := strings.Replace(valid, edit[0], edit[1], 1)
		require.NotEqual(t, valid, text)
		_, err := billing.Parse([]byte(text))
		require.ErrorContains(t, err, "packages.json: ", text)
	}
	_, err := billing.Parse([]byte(`{"seats": null, "packages": []}`))
	require.Error(t, err)
}
