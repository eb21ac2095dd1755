package meta_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/httpapi/httpapitest"
)

func TestHealth_AnswersWithoutACaller(t *testing.T) {
	w := httpapitest.Fresh(t)
	got := w.Send(w.Sample("health-get.json"))
	require.Equal(t, 200, got.Status)
	require.JSONEq(t, `{"status":"ok"}`, got.Body)
}

func TestOpenAPI_IsServedWithoutACaller(t *testing.T) {
	w := httpapitest.Fresh(t)
	got := w.Send(w.Sample("health-openapi.json"))
	require.Equal(t, 200, got.Status)
	require.True(t, json.Valid([]byte(got.Body)))
	require.Equal(t, "3.1.0", got.JSON(t)["openapi"])
}
