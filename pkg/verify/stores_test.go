package verify_test

import (
	"context"

	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/verify"
)

// withoutRoles is a store from which every custom role was removed.
type withoutRoles struct{ verify.Store }

func (s withoutRoles) Snapshot(ctx context.Context, cred string, names verify.Names) (verify.Snapshot, error) {
	snap, err := s.Store.Snapshot(ctx, cred, names)
	snap.Role = nil
	return snap, err
}

func (withoutRoles) CustomRole(context.Context, id.Role) (*role.Role, error) { return nil, nil }

// withoutEmployee is a store from which a principal was removed.
type withoutEmployee struct {
	verify.Store
	principal string
}

func (s withoutEmployee) Snapshot(ctx context.Context, cred string, names verify.Names) (verify.Snapshot, error) {
	snap, err := s.Store.Snapshot(ctx, cred, names)
	if names.Principal == s.principal {
		snap.Principal = nil
	}
	return snap, err
}
