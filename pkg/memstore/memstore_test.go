package memstore_test

import (
	"testing"

	"github.com/rekey-dev/rekey/pkg/memstore"
	"github.com/rekey-dev/rekey/pkg/storetest"
)

func TestStore_KeepsTheContractOfEveryStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) storetest.Store { return memstore.New() })
}

func TestFlaky_KeepsTheContractWhileItIsToldNothing(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) storetest.Store { return memstore.NewFlaky(memstore.New()) })
}
