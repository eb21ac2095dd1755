// Package msp holds the provider that owns the deployment: the root of the tree. There is exactly one.
package msp

import (
	"context"
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
)

// MSP is made once, by set-up.
type MSP struct {
	ID        id.MSP
	Name      string
	RootNode  id.Node
	Owner     id.Employee // who set it up; "" in deployments from before it was kept
	CreatedAt time.Time
	Version   int64
	EventSeq  int64
}

// Create puts the MSP. It is lost when there is one.
type Create struct{ MSP MSP }

func (Create) Write() {}

// Store reads the MSP; before set-up it is a fault of kind not_found.
type Store interface {
	MSP(ctx context.Context) (MSP, error)
}

// IDOf returns what reads the MSP's ID when it is asked for.
func IDOf(s Store) func(ctx context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		m, err := s.MSP(ctx)
		return string(m.ID), err
	}
}
