package verify_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/verify"
)

func TestUsed_AColdEnvironmentMakesTwoRoundTripsAndKnowsTheSource_P4(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.Allowed(k.Secret, rekeytest.Home)
	w.Advance(time.Second)
	cold := w.Environment(w.Store)
	request := func() {
		v, err := cold.Verify(w.Ctx, verify.Presented{Secret: k.Secret}, w.Origin(rekeytest.Home))
		require.NoError(t, err)
		require.Equal(t, verify.Allow, v.Class)
		cold.Used(w.Ctx, v, k.Secret, w.Origin(rekeytest.Home))
	}
	require.Equal(t, []string{"Credential", "Snapshot"}, w.Calls(request))
	require.Equal(t, []string{"Snapshot"}, w.Calls(request))
}

func TestUsed_OneSingleRequestFromANewSourceInAColdEnvironmentIsOnRecord_W8(t *testing.T) {
	w := rekeytest.New(t)
	k := w.Issue(w.Account("Recorder", w.Company).ID, "k")
	w.Allowed(k.Secret, rekeytest.Home)
	w.Advance(time.Second)
	w.Verifier = w.Environment(w.Store)
	require.Equal(t, []string{"Credential", "Snapshot", "Use"}, w.Calls(func() { w.Allowed(k.Secret, rekeytest.Elsewhere) }))
	require.Equal(t, rekeytest.Elsewhere, w.Record(audit.KeyNewSource).SourceIP)
}
