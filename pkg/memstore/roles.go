package memstore

import (
	"context"
	"slices"

	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/role"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// PutRole puts a custom role, new or changed, whatever its own routes would say.
func (s *Store) PutRole(r role.Role) {
	if role.IsBuiltIn(r.ID) {
		panic("memstore: a built-in role is code, not state: " + string(r.ID))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.roles[r.ID]
	s.roles[r.ID] = copyRole(role.Custom{Role: r, Place: s.nodes[r.NodeID].Place, CreatedBy: old.CreatedBy, CreatedByName: old.CreatedByName, EventSeq: old.EventSeq})
}

func copyRole(c role.Custom) role.Custom {
	c.AssignableTo = slices.Clone(c.AssignableTo)
	return c
}

func (t *transaction) createRole(w role.Create) string {
	c := copyRole(w.Role)
	if role.IsBuiltIn(c.ID) {
		panic("memstore: a built-in role is code, not state: " + string(c.ID))
	}
	if _, ok := t.roles[c.ID]; ok {
		return "the role exists"
	}
	if !t.there(c.Place.ID()) {
		return "the role's node is not there"
	}
	if !t.claim("roles", c.Place.ID(), c.Name) {
		return "a role of the node has the name"
	}
	t.touch("role " + string(c.ID))
	t.then(func() { t.roles[c.ID] = c })
	return ""
}

// sameRole tells whether a role is as it was read; "" when it is.
func (t *transaction) sameRole(old role.Custom) string {
	c, ok := t.roles[old.ID]
	switch {
	case !ok:
		return "the role is not there"
	case c.Version != old.Version:
		return "the role's version is another"
	case c.EventSeq != old.EventSeq:
		return "the role's event seq is another"
	}
	t.touch("role " + string(c.ID))
	return ""
}

func (t *transaction) updateRole(w role.Update) string {
	if reason := t.sameRole(w.Old); reason != "" {
		return reason
	}
	c, n := t.roles[w.Old.ID], copyRole(w.New)
	if n.Place != c.Place || n.NodeID != c.NodeID || n.ID != c.ID || !n.CreatedAt.Equal(c.CreatedAt) {
		panic("memstore: an update of what never changes of a role: " + string(c.ID))
	}
	for _, kind := range w.Dropped() {
		if t.assigned(c.ID).Of(kind) > 0 {
			return "somebody has the role"
		}
	}
	if fold.Name(n.Name) != fold.Name(c.Name) {
		if !t.claim("roles", c.Place.ID(), n.Name) {
			return "a role of the node has the new name"
		}
		t.release("roles", c.Place.ID(), c.Name)
	}
	t.then(func() { t.roles[n.ID] = n })
	return ""
}

func (t *transaction) deleteRole(w role.Delete) string {
	if reason := t.sameRole(w.Old); reason != "" {
		return reason
	}
	c := t.roles[w.Old.ID]
	if t.assigned(c.ID) != (role.Assigned{}) {
		return "somebody has the role"
	}
	t.release("roles", c.Place.ID(), c.Name)
	t.then(func() { delete(t.roles, c.ID) })
	return ""
}

func (t *transaction) assignRole(w role.Assign) string {
	c, ok := t.roles[w.Role]
	if !ok || c.Version != w.Version {
		return "the role has changed"
	}
	t.touch("role " + string(w.Role))
	return ""
}

// assigned counts who has a role: an account until it is deleted.
func (s *Store) assigned(r id.Role) (out role.Assigned) {
	for _, e := range s.employees {
		out.Employees += truth(e.RoleID == r && e.Status != employee.Deleted)
	}
	for _, a := range s.accounts {
		out.ServiceAccounts += truth(a.RoleID == r && a.Status != serviceaccount.Deleted)
	}
	return out
}

// CustomRole reads one role as a verdict does; nil when it is not there.
func (s *Store) CustomRole(ctx context.Context, r id.Role) (*role.Role, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return s.customRole(r), nil
}

func (s *Store) customRole(r id.Role) *role.Role {
	found, ok := s.roles[r]
	if !ok {
		return nil
	}
	out := copyRole(found).Role
	out.Description = ""
	return &out
}

// Role returns a custom role.
func (s *Store) Role(ctx context.Context, r id.Role) (role.Custom, error) {
	found, err := one(ctx, s, s.roles, r, "role")
	return copyRole(found), err
}

// Roles returns those that are there.
func (s *Store) Roles(ctx context.Context, ids []id.Role) ([]role.Custom, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []role.Custom
	for _, r := range ids {
		if found, ok := s.roles[r]; ok {
			out = append(out, copyRole(found))
		}
	}
	return out, nil
}

// Assigned counts who has a custom role.
func (s *Store) Assigned(ctx context.Context, r id.Role) (role.Assigned, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return role.Assigned{}, err
	}
	if _, ok := s.roles[r]; !ok {
		return role.Assigned{}, fault.Missing("role")
	}
	return s.assigned(r), nil
}

func (f *Flaky) CustomRole(ctx context.Context, r id.Role) (*role.Role, error) {
	return through(ctx, f, "CustomRole", func(ctx context.Context) (*role.Role, error) { return f.Under.CustomRole(ctx, r) })
}

func (f *Flaky) Role(ctx context.Context, r id.Role) (role.Custom, error) {
	return through(ctx, f, "Role", func(ctx context.Context) (role.Custom, error) { return f.Under.Role(ctx, r) })
}

func (f *Flaky) Roles(ctx context.Context, ids []id.Role) ([]role.Custom, error) {
	return through(ctx, f, "Roles", func(ctx context.Context) ([]role.Custom, error) { return f.Under.Roles(ctx, ids) })
}

func (f *Flaky) Assigned(ctx context.Context, r id.Role) (role.Assigned, error) {
	return through(ctx, f, "Assigned", func(ctx context.Context) (role.Assigned, error) { return f.Under.Assigned(ctx, r) })
}
