package secrets

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
)

func TestSetupCode_AcceptsExactlyTheSecret(t *testing.T) {
	s := NewSetupCode(func(context.Context) (string, error) { return pepper("c"), nil })
	for code, want := range map[string]bool{pepper("c"): true, pepper("C"): false, "": false, pepper("c")[1:]: false, pepper("c") + "c": false, " " + pepper("c"): false} {
		ok, err := s.Check(t.Context(), code)
		require.NoError(t, err)
		require.Equal(t, want, ok, code)
	}
}

func TestSetupCode_ThatCannotBeReadOrIsTooShortIsUnavailable(t *testing.T) {
	for _, s := range []*SetupCode{
		NewSetupCode(func(context.Context) (string, error) { return "", errors.New("down") }),
		NewSetupCode(func(context.Context) (string, error) { return "", nil }),
		NewSetupCode(func(context.Context) (string, error) { return pepper("c")[:31], nil }),
	} {
		ok, err := s.Check(t.Context(), "")
		require.False(t, ok)
		require.Equal(t, fault.Unavailable, fault.KindOf(err))
	}
}
