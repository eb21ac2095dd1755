package mint_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/mint"
	"github.com/rekey-dev/rekey/pkg/rekeytest"
	"github.com/rekey-dev/rekey/pkg/token"
)

const (
	public = "7Hq2cXv9LmN4pQr8sT1w"
	op     = id.Operation("op_00000000000000000001")
)

type press struct {
	*mint.Mint
	t                   *testing.T
	peppers, derivation *rekeytest.Ring
	rand                *rekeytest.Rand
}

func newPress(t *testing.T) *press {
	r := rekeytest.NewRand(t.Name())
	p := &press{t: t, peppers: rekeytest.NewRing(r), derivation: rekeytest.NewRing(r), rand: r}
	p.Mint = &mint.Mint{Peppers: p.peppers, Derivation: p.derivation, Rand: r}
	return p
}

func (p *press) coin(of *idempotency.Pending) mint.Coin {
	p.t.Helper()
	c, err := p.New(context.Background(), token.ServiceAccountKey, public, 3, op, of)
	require.NoError(p.t, err)
	tok, ok := token.Parse(c.Secret.Reveal())
	require.True(p.t, ok, "a secret of the grammar")
	require.Equal(p.t, public, tok.Public)
	key, _, err := p.peppers.Key(context.Background(), c.PepperVersion)
	require.NoError(p.t, err)
	mac := token.MAC(key, token.ServiceAccountKey, public, c.Secret)
	require.True(p.t, token.Equal(mac[:], c.MAC), "the digest is the secret's")
	return c
}

func (p *press) again(c mint.Coin) token.Secret {
	p.t.Helper()
	s, err := p.Again(context.Background(), idempotency.Record{Operation: op, Secret: c.Derived}, c.MAC, c.PepperVersion)
	require.NoError(p.t, err)
	return s
}

func (p *press) pending() *idempotency.Pending {
	return &idempotency.Pending{Salt: idempotency.NewSalt(p.rand)}
}

func TestNew_WithoutAKeyASecretIsRandomAndCannotBeMadeAgain_D2(t *testing.T) {
	p := newPress(t)
	seen := map[string]bool{}
	for range 1000 {
		c := p.coin(nil)
		require.Nil(t, c.Derived)
		require.False(t, seen[c.Secret.Reveal()])
		seen[c.Secret.Reveal()] = true
	}
}

func TestNew_WithAKeyASecretIsDerivedAndMadeAgain_B6(t *testing.T) {
	p := newPress(t)
	of := p.pending()
	c := p.coin(of)
	require.Equal(t, &idempotency.DerivedSecret{Kind: token.ServiceAccountKey, Public: public, Generation: 3, Salt: of.Salt, KeyVersion: "v1"}, c.Derived)
	require.Equal(t, c.Secret.Reveal(), p.again(c).Reveal())
	p.peppers.Rotate()
	p.derivation.Rotate()
	require.Equal(t, c.Secret.Reveal(), p.again(c).Reveal())
	require.NotEqual(t, c.Secret.Reveal(), p.coin(of).Secret.Reveal(), "another key of derivation, another secret")
}

func TestNew_SecretsOfTwoSaltsOperationsOrKeysDiffer_B6(t *testing.T) {
	p := newPress(t)
	of := p.pending()
	one := p.coin(of).Secret.Reveal()
	require.Equal(t, one, p.coin(of).Secret.Reveal())
	require.NotEqual(t, one, p.coin(p.pending()).Secret.Reveal())
	other, err := p.New(context.Background(), token.ServiceAccountKey, public, 3, "op_00000000000000000002", of)
	require.NoError(t, err)
	require.NotEqual(t, one, other.Secret.Reveal())
	other, err = p.New(context.Background(), token.ServiceAccountKey, "00000000000000000000", 3, op, of)
	require.NoError(t, err)
	require.NotEqual(t, one[25:68], other.Secret.Reveal()[25:68])
}

func TestAgain_GivesNothingWhenTheDigestIsAnothersOrAKeyIsGone_B6(t *testing.T) {
	p := newPress(t)
	of := p.pending()
	c := p.coin(of)
	other := c
	other.MAC = p.coin(p.pending()).MAC
	require.True(t, p.again(other).IsZero())
	other = c
	other.PepperVersion = "v9"
	require.True(t, p.again(other).IsZero())
	p.derivation.Remove("v1")
	require.True(t, p.again(c).IsZero())
}

func TestMint_IsUnavailableWhileAKeyIsUnreachable_B6(t *testing.T) {
	p := newPress(t)
	c := p.coin(p.pending())
	for _, ring := range []*rekeytest.Ring{p.peppers, p.derivation} {
		ring.Break(true)
		coin, err := p.New(context.Background(), token.ServiceAccountKey, public, 3, op, p.pending())
		require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
		require.True(t, coin.Secret.IsZero())
		_, err = p.Again(context.Background(), idempotency.Record{Operation: op, Secret: c.Derived}, c.MAC, c.PepperVersion)
		require.True(t, fault.Is(err, fault.Unavailable), "%v", err)
		ring.Break(false)
	}
	_, err := p.New(context.Background(), token.ServiceAccountKey, public, 3, op, &idempotency.Pending{Salt: []byte("short")})
	require.Error(t, err)
}
