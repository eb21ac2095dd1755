package protectedapi

import (
	"context"
	"errors"
	"slices"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
)

// New is the input of registering an API.
type New struct {
	Node      id.Node
	Name      string
	Slug      string
	GatewayID string
	Stage     string
	Mode      Mode // "" for Enforce
	Scopes    []Scope
	Routes    []Route
	// CacheSeconds is for how long the API's own authorizer keeps an answer. It has to be 0.
	CacheSeconds int
}

// Register makes a registration at a node. Atomic: the registration, what a verdict reads of it, its slug, its name's uniqueness
// among the node's, the node's count, the audit record and the idempotency record.
func (s *Service) Register(ctx context.Context, c call.Call, in New) (API, error) {
	return change.Retry(func() (API, error) {
		at, err := s.Store.Node(ctx, in.Node)
		if err != nil {
			return API{}, err
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		a := API{ID: id.New[id.ProtectedAPI](s.Rand), Name: in.Name, Slug: in.Slug, Place: at.Place, GatewayID: in.GatewayID, Stage: in.Stage,
			Mode: in.Mode, Scopes: in.Scopes, Routes: in.Routes, CreatedBy: c.Caller.ID, CreatedByName: c.Caller.Name, CreatedAt: now,
			UpdatedAt: now, Version: 1, EventSeq: 1}
		if a.Mode == "" {
			a.Mode = Enforce
		}
		e := s.event(c, op, now, audit.ProtectedAPICreated, a)
		refused := e
		refused.Target = audit.Target{Type: "node", ID: string(at.ID), Name: at.Name}
		if err := c.Caller.Check(permission.ProtectedAPIsManage, authz.Object{Place: at.Place, What: "node"}); err != nil {
			return API{}, c.Deny(ctx, s.Store.Deny, refused, err)
		}
		if err := c.Idempotency.Check(); err != nil {
			return API{}, err
		}
		if err := checkCache(in.CacheSeconds); err != nil {
			return API{}, err
		}
		if err := a.check(); err != nil {
			return API{}, err
		}
		e.Details = map[string]any{"slug": a.Slug, "api_id": a.GatewayID, "stage": a.Stage, "mode": a.Mode, "scopes": names(a.Scopes),
			"routes": len(a.Routes)}
		record, err := c.Idempotency.Record(op, now, a, nil)
		if err != nil {
			return API{}, err
		}
		err = change.Settle(s.Store.Commit(ctx, change.Set{Operation: op, At: now, Idempotency: record, Events: []audit.Event{e},
			Writes: []change.Write{Create{API: a}}}), c.Idempotency)
		var lost *change.Lost
		if errors.As(err, &lost) {
			if _, ok := lost.Write.(Create); ok {
				if _, gone := s.Store.Node(ctx, in.Node); gone != nil {
					return API{}, gone
				}
				return API{}, s.conflict(ctx, a)
			}
		}
		return a, err
	})
}

// checkCache refuses an authorizer that keeps answers. With one, API Gateway would go on allowing a key for as long after it was
// revoked, and would open to it, by the policy for one route, whatever that policy happens to name.
func checkCache(seconds int) error {
	if seconds == 0 {
		return nil
	}
	return fault.InvalidField("/authorizer_result_ttl_seconds",
		"is not 0: while API Gateway keeps the authorizer's answers, a revoked, expired or narrowed key goes on working. Set the authorizer's result TTL to 0")
}

// Patch is the change of a registration that an administrator asks for; what is nil stays. Lists replace those before.
type Patch struct {
	Name         *string
	GatewayID    *string
	Stage        *string
	Mode         *Mode
	Scopes       *[]Scope
	Routes       *[]Route
	CacheSeconds *int
}

// Patch changes a registration, from the next request on. A scope that it no longer declares opens nothing; roles and keys go on
// naming it, and hold it again once it is declared again. Atomic: the registration with what is found of it elsewhere, the rows that
// list it, and the audit record.
func (s *Service) Patch(ctx context.Context, c call.Call, which id.ProtectedAPI, in Patch) (API, error) {
	return change.Retry(func() (API, error) {
		old, err := s.begin(ctx, c, which, audit.ProtectedAPIUpdated)
		if err != nil {
			return API{}, err
		}
		if in.CacheSeconds != nil {
			if err := checkCache(*in.CacheSeconds); err != nil {
				return API{}, err
			}
		}
		next := in.apply(old)
		if err := next.check(); err != nil {
			return API{}, err
		}
		details := differences(old, next)
		if details == nil {
			return old, nil
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		next.UpdatedAt = now
		next.Version++
		next.EventSeq++
		e := s.event(c, op, now, audit.ProtectedAPIUpdated, next)
		e.Details = details
		err = s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{Update{Old: old, New: next}}})
		if errors.Is(err, change.ErrLost) {
			if again, readErr := s.Store.ProtectedAPI(ctx, which); readErr == nil && again.Version == old.Version && again.EventSeq == old.EventSeq {
				return API{}, s.conflict(ctx, next)
			}
		}
		return next, err
	})
}

func (in Patch) apply(a API) API {
	set(&a.Name, in.Name)
	set(&a.GatewayID, in.GatewayID)
	set(&a.Stage, in.Stage)
	set(&a.Mode, in.Mode)
	set(&a.Scopes, in.Scopes)
	set(&a.Routes, in.Routes)
	return a
}

func set[T any](member *T, to *T) {
	if to != nil {
		*member = *to
	}
}

// Delete removes a registration: from the next request on the stage is denied as one that is not registered. Roles and keys go on
// naming its scopes, which open nothing. Its slug stays its node's. Atomic: the registration with what is found of it elsewhere, its
// name, the node's count and the audit record.
func (s *Service) Delete(ctx context.Context, c call.Call, which id.ProtectedAPI) error {
	_, err := change.Retry(func() (struct{}, error) {
		old, err := s.begin(ctx, c, which, audit.ProtectedAPIDeleted)
		if err != nil {
			return struct{}{}, err
		}
		now, op := s.Now(), id.New[id.Operation](s.Rand)
		gone := old
		gone.EventSeq++
		e := s.event(c, op, now, audit.ProtectedAPIDeleted, gone)
		e.Details = map[string]any{"slug": old.Slug, "api_id": old.GatewayID, "stage": old.Stage, "scopes": names(old.Scopes)}
		return struct{}{}, s.Store.Commit(ctx, change.Set{Operation: op, At: now, Events: []audit.Event{e}, Writes: []change.Write{Delete{Old: old}}})
	})
	return err
}

func names(scopes []Scope) []string {
	out := make([]string, 0, len(scopes))
	for _, s := range scopes {
		out = append(out, string(s.Name))
	}
	return out
}

// differences are the details of the record of a change; nil when nothing differs.
func differences(old, next API) map[string]any {
	var changed []string
	details := map[string]any{}
	differs := func(what string, yes bool) {
		if yes {
			changed = append(changed, what)
		}
	}
	differs("name", old.Name != next.Name)
	differs("api_id", old.GatewayID != next.GatewayID)
	differs("stage", old.Stage != next.Stage)
	differs("mode", old.Mode != next.Mode)
	if old.Mode != next.Mode {
		details["mode"] = next.Mode
	}
	if old.GatewayID != next.GatewayID || old.Stage != next.Stage {
		details["api_id"], details["stage"] = next.GatewayID, next.Stage
	}
	if !slices.Equal(old.Scopes, next.Scopes) {
		differs("scopes", true)
		details["scopes_added"] = names(without(next.Scopes, old.Scopes))
		details["scopes_removed"] = names(without(old.Scopes, next.Scopes))
	}
	if !slices.Equal(old.Routes, next.Routes) {
		differs("routes", true)
		details["routes"] = len(next.Routes)
	}
	if changed == nil {
		return nil
	}
	details["changed"] = changed
	return details
}

// without are the scopes whose name or kind is not among others.
func without(scopes, others []Scope) []Scope {
	return slices.DeleteFunc(slices.Clone(scopes), func(s Scope) bool {
		return slices.ContainsFunc(others, func(o Scope) bool { return o.Name == s.Name && o.Kind == s.Kind })
	})
}
