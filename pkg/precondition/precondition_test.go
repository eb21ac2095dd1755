package precondition_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/precondition"
)

func TestCheck_ChangesTheObjectOnlyAsItWasSeen(t *testing.T) {
	const object = "sa_00000000000000000001"
	require.Equal(t, object+".3", precondition.Tag(object, 3))
	for what, c := range map[string]struct {
		match precondition.Match
		met   bool
	}{
		"nothing asked for":    {precondition.Match{}, true},
		"any version":          {precondition.Match{Given: true, Any: true}, true},
		"this version":         {precondition.Match{Given: true, Tags: []string{object + ".3"}}, true},
		"one of several":       {precondition.Match{Given: true, Tags: []string{object + ".2", object + ".3"}}, true},
		"an older version":     {precondition.Match{Given: true, Tags: []string{object + ".2"}}, false},
		"another object's":     {precondition.Match{Given: true, Tags: []string{"sa_00000000000000000002.3"}}, false},
		"a longer number":      {precondition.Match{Given: true, Tags: []string{object + ".33"}}, false},
		"an empty list":        {precondition.Match{Given: true}, false},
		"tags without a given": {precondition.Match{Tags: []string{object + ".2"}}, true},
	} {
		err := c.match.Check(object, 3)
		if c.met {
			require.NoError(t, err, what)
		} else {
			require.True(t, fault.Is(err, fault.PreconditionFailed), what)
		}
	}
}
