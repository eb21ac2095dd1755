package protectedapi

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/audit"
	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/call"
	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
)

// Store is what the use cases of protected APIs read and write. Reads are strongly consistent; a registration that is not there is a
// fault of kind not_found; a store that does not answer is a fault of kind unavailable.
type Store interface {
	listing.Places
	ProtectedAPI(ctx context.Context, a id.ProtectedAPI) (API, error)
	// ProtectedAPIs reads those that are there, in any order.
	ProtectedAPIs(ctx context.Context, ids []id.ProtectedAPI) ([]API, error)
	// Registered tells which registration a stage has; "" for none.
	Registered(ctx context.Context, gateway, stage string) (id.ProtectedAPI, error)
	// Declared finds APIs by their slugs, in any order. A slug whose API is gone is found without an ID and without scopes.
	Declared(ctx context.Context, slugs []string) ([]Declared, error)
	List(ctx context.Context, q listing.Query) (listing.Page, error)
	// Deny puts the record of a refusal; that it is there already is no error.
	Deny(ctx context.Context, event audit.Event) error
	// Commit carries out a change or none of it: see change.Set.
	Commit(ctx context.Context, s change.Set) error
}

// Service is the use cases of protected APIs. Its fields are set once; it may be used by many goroutines.
type Service struct {
	Store Store
	Now   func() time.Time
	Rand  io.Reader
}

func object(p place.Place) authz.Object { return authz.Object{Place: p, What: "protected API"} }

// Get returns a registration that the caller may see.
func (s *Service) Get(ctx context.Context, c call.Call, a id.ProtectedAPI) (API, error) {
	found, err := s.Store.ProtectedAPI(ctx, a)
	if err == nil {
		err = c.Caller.Check(permission.ProtectedAPIsRead, object(found.Place))
	}
	if err != nil {
		return API{}, err
	}
	return found, nil
}

// List lists the registrations of a node and of all below it by name; next is "" at the end. query is a case-insensitive prefix of
// the name, or an exact ID. In a company stands none.
func (s *Service) List(ctx context.Context, c call.Call, w listing.Where, query, after string, limit int) (apis []API, next string, err error) {
	if err := c.Caller.Holds(permission.ProtectedAPIsRead); err != nil {
		return nil, "", err
	}
	at, err := w.Resolve(ctx, s.Store, c.Caller)
	if err != nil {
		return nil, "", err
	}
	if at.Company != "" || c.Caller.Type == audit.ServiceAccount && c.Caller.OwnAccount.Has(permission.ProtectedAPIsRead) {
		return nil, "", nil
	}
	if a, ok := id.Parse[id.ProtectedAPI](query); ok {
		found, err := s.Store.ProtectedAPIs(ctx, []id.ProtectedAPI{a})
		return slices.DeleteFunc(found, func(a API) bool { return !at.Covers(a.Place) || w.Direct && a.Place != at }), "", err
	}
	q := listing.Query{Noun: listing.ProtectedAPIs, Place: at.ID(), Direct: w.Direct, Prefix: query, After: after}
	return listing.Collect(ctx, s.Store.List, q, limit, func(rows listing.Page) ([]API, error) {
		if len(rows.Rows) == 0 {
			return nil, nil
		}
		ids := make([]id.ProtectedAPI, len(rows.Rows))
		for i, r := range rows.Rows {
			ids[i] = id.ProtectedAPI(r.ID)
		}
		found, err := s.Store.ProtectedAPIs(ctx, ids)
		slices.SortFunc(found, func(a, b API) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
		return found, err
	})
}

// begin is the first part of a change of a registration: it is there, the caller may, the call is new, the registration is as the
// caller saw it. A refusal is recorded.
func (s *Service) begin(ctx context.Context, c call.Call, a id.ProtectedAPI, action string) (API, error) {
	found, err := s.Store.ProtectedAPI(ctx, a)
	if err != nil {
		return API{}, err
	}
	if err := c.Caller.Check(permission.ProtectedAPIsManage, object(found.Place)); err != nil {
		return API{}, c.Deny(ctx, s.Store.Deny, s.event(c, "", s.Now(), action, found), err)
	}
	if err := c.Idempotency.Check(); err != nil {
		return API{}, err
	}
	return found, c.Match.Check(string(found.ID), found.Version)
}

func (s *Service) event(c call.Call, op id.Operation, now time.Time, action string, a API) audit.Event {
	e := c.Event(id.New[id.Event](s.Rand), op, now)
	e.Action, e.Place, e.Seq = action, a.Place, a.EventSeq
	e.Target = audit.Target{Type: "protected_api", ID: string(a.ID), Name: a.Name}
	return e
}

// conflict says what stands in the way of a registration that a store would not take, although it is as it was read.
func (s *Service) conflict(ctx context.Context, a API) error {
	held, err := s.Store.Registered(ctx, a.GatewayID, a.Stage)
	if err != nil {
		return err
	}
	if held != "" && held != a.ID {
		return fault.New(fault.Conflict, "This stage of the API is registered already.")
	}
	found, err := s.Store.Declared(ctx, []string{a.Slug})
	if err != nil {
		return err
	}
	if len(found) > 0 && found[0].ID != a.ID && (found[0].ID != "" || found[0].Place != a.Place) {
		return fault.New(fault.Conflict, "The slug is taken, or was once at another node: keys may still name its scopes. Choose another one.")
	}
	return fault.New(fault.Conflict, "A protected API with this name is at the node already. Names are compared without regard to case.")
}
