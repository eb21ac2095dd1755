package mailbox

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecipient_IsOnePersonUnderEverySubaddress_B3(t *testing.T) {
	blue := RecipientOf("blue@example.com")
	for _, same := range []string{"blue+alerts@example.com", "blue+1.2@example.com", "blue+@example.com", "blue+a+b@example.com"} {
		require.Equal(t, blue, RecipientOf(same), same)
	}
	for _, other := range []string{"blue@example.org", "blu@example.com", "+blue@example.com", "blue", "blue+x", "a@blue+b@example.com"} {
		require.NotEqual(t, blue, RecipientOf(other), other)
	}
}
