// Package msp holds the provider that owns the deployment: the root of the tree. There is exactly one.
package msp

import (
	"time"

	"github.com/rekey-dev/rekey/pkg/id"
)

// MSP is made once, by set-up.
type MSP struct {
	ID        id.MSP
	Name      string
	RootNode  id.Node
	CreatedAt time.Time
	Version   int64
	EventSeq  int64
}

// Create puts the MSP. It is lost when there is one.
type Create struct{ MSP MSP }

func (Create) Write() {}
