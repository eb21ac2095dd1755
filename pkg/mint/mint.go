// Package mint makes secrets and their digests, and makes the secret of a repeated call again.
package mint

import (
	"context"
	"io"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/idempotency"
	"github.com/rekey-dev/rekey/pkg/token"
)

// Keys is a set of keys by version.
type Keys interface {
	// Current returns the version and key in use.
	Current(ctx context.Context) (version string, key []byte, err error)
	// Key returns a version's key; false when there is no such version.
	Key(ctx context.Context, version string) ([]byte, bool, error)
}

// Mint makes secrets. Its fields are set once.
type Mint struct {
	Peppers    Keys // of the digests
	Derivation Keys // of the secrets of calls that can be repeated
	Rand       io.Reader
}

// Coin is a secret, its digest, and how it can be made again.
type Coin struct {
	Secret        token.Secret
	MAC           []byte
	PepperVersion string
	Derived       *idempotency.DerivedSecret // nil without an Idempotency-Key
}

// New makes the secret of an operation: derived from the call's salt when the call can be repeated, else 256 random bits.
func (m *Mint) New(ctx context.Context, kind token.Kind, public string, generation int64, op id.Operation, p *idempotency.Pending) (Coin, error) {
	version, pepper, err := m.Peppers.Current(ctx)
	if err != nil {
		return Coin{}, err
	}
	c := Coin{PepperVersion: version}
	if p == nil {
		c.Secret = token.Mint(kind, public, m.Rand)
	} else {
		keyVersion, key, err := m.Derivation.Current(ctx)
		if err != nil {
			return Coin{}, err
		}
		if c.Secret, err = token.Derive(key, p.Salt, kind, public, op); err != nil {
			return Coin{}, err
		}
		c.Derived = &idempotency.DerivedSecret{Kind: kind, Public: public, Generation: generation, Salt: p.Salt, KeyVersion: keyVersion}
	}
	mac := token.MAC(pepper, kind, public, c.Secret)
	c.MAC = mac[:]
	return c, nil
}

// Of is the coin of a secret that exists: of one that was put where its consumer reads it, before its key accepts it.
func (m *Mint) Of(ctx context.Context, kind token.Kind, public string, secret token.Secret) (Coin, error) {
	version, pepper, err := m.Peppers.Current(ctx)
	if err != nil {
		return Coin{}, err
	}
	mac := token.MAC(pepper, kind, public, secret)
	return Coin{Secret: secret, MAC: mac[:], PepperVersion: version}, nil
}

// Again makes the secret of a record again and holds it against the digest that is stored now. It returns the zero Secret
// when they differ, or when a version of a key that it needs is gone.
func (m *Mint) Again(ctx context.Context, r idempotency.Record, mac []byte, pepperVersion string) (token.Secret, error) {
	d := r.Secret
	key, ok, err := m.Derivation.Key(ctx, d.KeyVersion)
	if err != nil || !ok {
		return token.Secret{}, err
	}
	pepper, ok, err := m.Peppers.Key(ctx, pepperVersion)
	if err != nil || !ok {
		return token.Secret{}, err
	}
	secret, err := token.Derive(key, d.Salt, d.Kind, d.Public, r.Operation)
	if err != nil {
		return token.Secret{}, err
	}
	if got := token.MAC(pepper, d.Kind, d.Public, secret); !token.Equal(mac, got[:]) {
		return token.Secret{}, nil
	}
	return secret, nil
}
