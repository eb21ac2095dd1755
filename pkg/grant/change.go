package grant

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/name"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
	"github.com/rekey-dev/rekey/pkg/role"
)

// New is the input of creating a role.
type New struct {
	Node         id.Node
	Name         string
	Description  string
	Permissions  []string
	AssignableTo *[]role.Assignee // nil for every kind that can hold all of Permissions
}

// Create makes a role of a node. Atomic: the role, its name's uniqueness among the node's roles, the node's count, the audit record
// and the idempotency record.
func (s *Service) Create(ctx context.Context, c call.Call, in New) (role.Custom, error) {
	return change.Retry(func() (role.Custom, error) {
		at, err := s.Store.Node(ctx, in.Node)
		if err != nil {
			return role.Custom{}, err
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		r := role.Custom{Role: role.Role{ID: id.New[id.Role](s.Rand), Name: in.Name, Description: in.Description, NodeID: at.ID,
			CreatedAt: now, UpdatedAt: now, Version: 1}, Place: at.Place, CreatedBy: c.Caller.ID, CreatedByName: c.Caller.Name, EventSeq: 1}
		e := s.event(c, op, now, audit.RoleCreated, r)
		refused := e
		refused.Target = audit.Target{Type: "node", ID: string(at.ID), Name: at.Name}
		where := object(at.Place)
		where.What = "node"
		if err := c.Caller.Check(permission.RolesCreate, where); err != nil {
			return role.Custom{}, c.Deny(ctx, s.Store.Deny, refused, err)
		}
		if err := c.Idempotency.Check(); err != nil {
			return role.Custom{}, err
		}
		usable, elsewhere, err := protectedapi.UsableBy(ctx, s.Store, c.Caller, in.Permissions, at.Place)
		if err != nil {
			return role.Custom{}, err
		}
		if err := (Patch{Name: &in.Name, Description: &in.Description, Permissions: &in.Permissions, AssignableTo: in.AssignableTo}).apply(&r, usable, elsewhere); err != nil {
			return role.Custom{}, err
		}
		e.Details = map[string]any{"permissions": r.Permissions.List(), "assignable_to": r.AssignableTo}
		refused.Details = e.Details
		if err := protectedapi.Grantable(ctx, s.Store, c.Caller, r.Permissions); err != nil {
			return role.Custom{}, c.Deny(ctx, s.Store.Deny, refused, err)
		}
		if s.isBuiltInName(r.Name) {
			return role.Custom{}, nameTaken()
		}
		record, err := c.Idempotency.Record(op, now, r, nil)
		if err != nil {
			return role.Custom{}, err
		}
		err = change.Settle(s.Store.Commit(ctx, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e},
			Writes: []change.Write{role.Create{Role: r}}}), c.Idempotency)
		var lost *change.Lost
		if errors.As(err, &lost) {
			if _, ok := lost.Write.(role.Create); ok {
				if _, gone := s.Store.Node(ctx, in.Node); gone != nil {
					return role.Custom{}, gone
				}
				return role.Custom{}, nameTaken()
			}
		}
		return r, err
	})
}

func nameTaken() error {
	return fault.New(fault.Conflict, "The node has a role with this name, or a built-in role has it. Names are compared without regard to case.")
}

func (s *Service) isBuiltInName(text string) bool {
	return slices.ContainsFunc(role.BuiltIns(), func(r role.Role) bool { return s.Fold(r.Name) == s.Fold(text) })
}

// Patch is the change of a role that an administrator asks for; what is nil stays. Lists replace those before.
type Patch struct {
	Name         *string
	Description  *string
	Permissions  *[]string
	AssignableTo *[]role.Assignee
}

// Patch changes a role, for everybody who has it, with their next request. Whatever of it is changed, the caller must hold all that it
// had and will have: who could take from a role what they lack would thereby be over whoever has it. Atomic: the role, the
// rows that list it, and the audit record, on condition that nobody has the role whose kind it is taken from.
func (s *Service) Patch(ctx context.Context, c call.Call, which id.Role, in Patch) (role.Custom, error) {
	return change.Retry(func() (role.Custom, error) {
		old, err := s.begin(ctx, c, which, permission.RolesUpdate, audit.RoleUpdated)
		if err != nil {
			return role.Custom{}, err
		}
		usable, elsewhere, err := s.usable(ctx, c.Caller, in, old)
		if err != nil {
			return role.Custom{}, err
		}
		next := old
		if err := in.apply(&next, usable, elsewhere); err != nil {
			return role.Custom{}, err
		}
		details := differences(old, next)
		if details == nil {
			return old, nil
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		if err := protectedapi.Grantable(ctx, s.Store, c.Caller, old.Permissions.Or(next.Permissions)); err != nil {
			refused := s.event(c, "", now, audit.RoleUpdated, old)
			refused.Details = details
			return role.Custom{}, c.Deny(ctx, s.Store.Deny, refused, err)
		}
		if s.Fold(next.Name) != s.Fold(old.Name) && s.isBuiltInName(next.Name) {
			return role.Custom{}, nameTaken()
		}
		update := role.Update{Old: old, New: next}
		if err := s.unassigned(ctx, old.ID, update.Dropped()); err != nil {
			return role.Custom{}, err
		}
		next.UpdatedAt = now
		next.Version++
		next.EventSeq++
		update.New = next
		e := s.event(c, op, now, audit.RoleUpdated, next)
		e.Details = details
		err = s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{update}})
		if errors.Is(err, change.ErrLost) && s.Fold(next.Name) != s.Fold(old.Name) {
			if again, readErr := s.Store.Role(ctx, which); readErr == nil && again.Version == old.Version && again.EventSeq == old.EventSeq {
				if err := s.unassigned(ctx, old.ID, update.Dropped()); err != nil {
					return role.Custom{}, err
				}
				return role.Custom{}, nameTaken()
			}
		}
		return next, err
	})
}

// Delete removes a role that nobody has; one that somebody has is in use. Its name can be used again, its audit records stay.
// Atomic: the role, its name, the node's count and the audit record, on condition that nobody has it.
func (s *Service) Delete(ctx context.Context, c call.Call, which id.Role) error {
	_, err := change.Retry(func() (struct{}, error) {
		old, err := s.begin(ctx, c, which, permission.RolesDelete, audit.RoleDeleted)
		if err != nil {
			return struct{}{}, err
		}
		if err := s.unassigned(ctx, old.ID, []role.Assignee{role.Employee, role.ServiceAccount}); err != nil {
			return struct{}{}, err
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		gone := old
		gone.EventSeq++
		e := s.event(c, op, now, audit.RoleDeleted, gone)
		e.Details = map[string]any{"permissions": old.Permissions.List(), "assignable_to": old.AssignableTo}
		return struct{}{}, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{role.Delete{Old: old}}})
	})
	return err
}

// unassigned returns a fault that counts who of the kinds has a role; nil when nobody does.
func (s *Service) unassigned(ctx context.Context, r id.Role, kinds []role.Assignee) error {
	if len(kinds) == 0 {
		return nil
	}
	assigned, err := s.Store.Assigned(ctx, r)
	if err != nil {
		return err
	}
	var by []fault.Blocker
	for _, kind := range kinds {
		if n := assigned.Of(kind); n > 0 {
			by = append(by, fault.Blocker{Type: string(kind), Count: n})
		}
	}
	if len(by) == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.InUse, BlockedBy: by, Detail: "The role is given to somebody. Give them another one first."}
}

// usable are the protected scopes that a change of a role may name: what APIs at its node or above declare, and what it names already;
// and elsewhere those that exist only at other nodes, as far as the caller is shown them.
func (s *Service) usable(ctx context.Context, by authz.Caller, in Patch, old role.Custom) (kinds, elsewhere protectedapi.Kinds, err error) {
	if in.Permissions == nil {
		return nil, nil, nil
	}
	kinds, elsewhere, err = protectedapi.UsableBy(ctx, s.Store, by, *in.Permissions, old.Place)
	for _, name := range old.Permissions.Protected() {
		if p := permission.Permission(name); kinds != nil && kinds[p] == "" {
			kinds[p] = ""
		}
	}
	return kinds, elsewhere, err
}

// apply makes the change of a role, or says everything that is wrong with it.
func (in Patch) apply(r *role.Custom, usable, elsewhere protectedapi.Kinds) error {
	var bad []fault.Field
	if in.Name != nil {
		if problem := name.Check(*in.Name); problem != "" {
			bad = append(bad, fault.Field{Pointer: "/name", Detail: problem})
		}
		r.Name = *in.Name
	}
	if in.Description != nil {
		if problem := name.CheckDescription(*in.Description); problem != "" {
			bad = append(bad, fault.Field{Pointer: "/description", Detail: problem})
		}
		r.Description = *in.Description
	}
	if in.Permissions != nil {
		var wrong []fault.Field
		r.Permissions, wrong = permissionsOf(*in.Permissions, usable, elsewhere)
		bad = append(bad, wrong...)
	}
	forbidden := r.Permissions.Without(permission.Machine)
	switch {
	case in.AssignableTo != nil:
		var wrong []fault.Field
		r.AssignableTo, wrong = kindsOf(*in.AssignableTo)
		bad = append(bad, wrong...)
	case r.AssignableTo == nil:
		r.AssignableTo = []role.Assignee{role.Employee}
		if forbidden.IsEmpty() {
			r.AssignableTo = append(r.AssignableTo, role.ServiceAccount)
		}
	}
	if r.AssignableToKind(role.ServiceAccount) {
		bad = append(bad, in.unfit(forbidden)...)
	}
	return fault.InvalidFields(bad)
}

// unfit points at what the change brought of permissions that no service account can hold, in a role that is for service accounts:
// the permissions, or, where it brought none, that it is for them.
func (in Patch) unfit(forbidden permission.Set) (bad []fault.Field) {
	if forbidden.IsEmpty() {
		return nil
	}
	if in.Permissions != nil {
		for i, text := range *in.Permissions {
			if forbidden.Has(permission.Permission(text)) {
				bad = append(bad, fault.Field{Pointer: pointer("/permissions", i), Detail: text + " can never be held by a service account, which the role can be given to"})
			}
		}
		return bad
	}
	if in.AssignableTo != nil {
		return []fault.Field{{Pointer: pointer("/assignable_to", slices.Index(*in.AssignableTo, role.ServiceAccount)),
			Detail: "does not go with " + forbidden.Text() + ", which a service account can never hold"}}
	}
	return nil // it was so before, and this change brought nothing of it
}

func permissionsOf(words []string, usable, elsewhere protectedapi.Kinds) (out permission.Set, bad []fault.Field) {
	if len(words) > role.MaxPermissions {
		return out, []fault.Field{{Pointer: "/permissions", Detail: "has more than " + strconv.Itoa(role.MaxPermissions) + " entries"}}
	}
	for i, text := range words {
		p := permission.Permission(text)
		_, known := usable[p]
		known = known || permission.Known(p)
		switch {
		case !known:
			bad = append(bad, fault.Field{Pointer: pointer("/permissions", i), Detail: protectedapi.IsNone(p, elsewhere)})
		case out.Has(p):
			bad = append(bad, fault.Field{Pointer: pointer("/permissions", i), Detail: text + " is listed twice"})
		}
		out = out.Or(permission.Of(p))
	}
	return out, bad
}

// kindsOf returns the kinds in their own order.
func kindsOf(given []role.Assignee) (out []role.Assignee, bad []fault.Field) {
	if len(given) == 0 {
		return nil, []fault.Field{{Pointer: "/assignable_to", Detail: "is empty; name employee, service_account or both"}}
	}
	for i, kind := range given {
		switch {
		case kind != role.Employee && kind != role.ServiceAccount:
			bad = append(bad, fault.Field{Pointer: pointer("/assignable_to", i), Detail: "is neither employee nor service_account"})
		case slices.Contains(given[:i], kind):
			bad = append(bad, fault.Field{Pointer: pointer("/assignable_to", i), Detail: string(kind) + " is listed twice"})
		default:
			out = append(out, kind)
		}
	}
	slices.Sort(out)
	return out, bad
}

func pointer(list string, i int) string { return list + "/" + strconv.Itoa(i) }

// differences are the details of the record of a change; nil when nothing differs.
func differences(old, next role.Custom) map[string]any {
	var changed []string
	details := map[string]any{}
	if old.Name != next.Name {
		changed = append(changed, "name")
	}
	if old.Description != next.Description {
		changed = append(changed, "description")
	}
	if old.Permissions != next.Permissions {
		changed = append(changed, "permissions")
		details["permissions_added"] = next.Permissions.Without(old.Permissions).List()
		details["permissions_removed"] = old.Permissions.Without(next.Permissions).List()
	}
	if !slices.Equal(old.AssignableTo, next.AssignableTo) {
		changed = append(changed, "assignable_to")
		details["assignable_to"] = next.AssignableTo
	}
	if changed == nil {
		return nil
	}
	details["changed"] = changed
	return details
}
