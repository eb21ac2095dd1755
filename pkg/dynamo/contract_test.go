package dynamo_test

import (
	"testing"

	"github.com/rekey-dev/rekey/pkg/storetest"
)

func TestStore_KeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return deploy(t) })
}
