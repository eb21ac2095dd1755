package dynamo

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/listing"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
)

// keptScope is a scope in the text of a registration's item.
type keptScope struct {
	Name        string `json:"n"`
	Kind        string `json:"k"`
	Description string `json:"d,omitempty"`
}

func encodeProtectedAPI(a protectedapi.API) (item, error) {
	it := newItem(protectedAPIKey(a.ID), typeProtectedAPI)
	it.string(attrName, a.Name)
	it.string(attrSlug, a.Slug)
	it.place(a.Place)
	it.string(attrGateway, a.GatewayID)
	it.string(attrStage, a.Stage)
	it.string(attrMode, string(a.Mode))
	if len(a.Scopes) > 0 {
		kept := make([]keptScope, len(a.Scopes))
		for i, s := range a.Scopes {
			kept[i] = keptScope{Name: string(s.Name), Kind: string(s.Kind), Description: s.Description}
		}
		text, err := json.Marshal(kept)
		if err != nil {
			return nil, err
		}
		it.string(attrDeclared, string(text))
	}
	it.string(attrRoutes, a.Guard().Routes)
	it.string(attrCreatedBy, a.CreatedBy)
	it.string(attrCreatedByName, a.CreatedByName)
	it.time(attrCreatedAt, a.CreatedAt)
	it.time(attrUpdatedAt, a.UpdatedAt)
	it.int(attrVersion, a.Version)
	it.int(attrEventSeq, a.EventSeq)
	return it, nil
}

func decodeProtectedAPI(it item) (protectedapi.API, error) {
	r := reader{it: it}
	a := protectedapi.API{ID: id.ProtectedAPI(r.string(attrPK)), Name: r.string(attrName), Slug: r.string(attrSlug), Place: r.place(),
		GatewayID: r.string(attrGateway), Stage: r.string(attrStage), Mode: protectedapi.Mode(r.string(attrMode)),
		Routes: protectedapi.RoutesOf(r.string(attrRoutes)), CreatedBy: r.string(attrCreatedBy), CreatedByName: r.string(attrCreatedByName),
		CreatedAt: r.time(attrCreatedAt), UpdatedAt: r.time(attrUpdatedAt), Version: r.int(attrVersion), EventSeq: r.int(attrEventSeq)}
	if text := r.string(attrDeclared); text != "" {
		var kept []keptScope
		if err := json.Unmarshal([]byte(text), &kept); err != nil {
			return protectedapi.API{}, fmt.Errorf("%s: %w", attrDeclared, err)
		}
		for _, s := range kept {
			a.Scopes = append(a.Scopes, protectedapi.Scope{Name: permission.Permission(s.Name), Kind: permission.Kind(s.Kind), Description: s.Description})
		}
	}
	return a, r.err
}

// guardName names a stage as a verdict asks for its registration.
func guardName(a protectedapi.API) string { return a.GatewayID + "/" + a.Stage }

// encodeGuard is what a verdict reads of a registration.
func encodeGuard(a protectedapi.API) item {
	g := a.Guard()
	it := newItem(guardKey(guardName(a)), typeGuard)
	it.string(attrID, string(a.ID))
	it.place(g.Place)
	it.bool(attrContextOnly, g.ContextOnly)
	it.string(attrRoutes, g.Routes)
	return it
}

// encodeSlug is what is found of a registration by its slug. When it is gone the slug stays, with its place.
func encodeSlug(a protectedapi.API, gone bool) item {
	it := newItem(slugKey(a.Slug), typeSlug)
	it.place(a.Place)
	if gone {
		return it
	}
	it.string(attrID, string(a.ID))
	it.string(attrName, a.Name)
	words := make([]string, 0, 2*len(a.Scopes))
	for _, s := range a.Scopes {
		words = append(words, string(s.Name), string(s.Kind))
	}
	it.list(attrDeclared, words)
	return it
}

func decodeSlug(it item) (protectedapi.Declared, error) {
	r := reader{it: it}
	d := protectedapi.Declared{ID: id.ProtectedAPI(r.string(attrID)), Slug: afterHash(r.string(attrPK)), Name: r.string(attrName), Place: r.place()}
	words := r.list(attrDeclared)
	for i := 0; i+1 < len(words); i += 2 {
		d.Scopes = append(d.Scopes, protectedapi.Scope{Name: permission.Permission(words[i]), Kind: permission.Kind(words[i+1])})
	}
	return d, r.err
}

// protectedAPIRows returns the rows that list a registration: at its node and every node above, once more at its node alone for those
// who look up from below, and the reservation of its name.
func (s *Store) protectedAPIRows(a protectedapi.API) []row {
	folded, at := s.fold(a.Name), a.Place.ID()
	return append(listRows(listing.ProtectedAPIs, a.Place, folded, string(a.ID)),
		row{key: rowKey(listing.ProtectedAPIsAt, at, folded, string(a.ID)), typ: typeRow, id: string(a.ID), place: at, taken: "it is listed already"},
		nameRow(listing.ProtectedAPIs, at, folded, string(a.ID)))
}

func protectedAPIUse(a protectedapi.API) []use {
	return []use{{holder: a.Place.ID(), counter: attrProtectedAPIs}}
}

func (b *builder) createProtectedAPI(w protectedapi.Create) error {
	a, table := w.API, b.store.tables.Identity
	it, err := encodeProtectedAPI(a)
	if err != nil {
		return err
	}
	b.put(create(table, protectedAPIKey(a.ID), it, w, "the ID is taken"))
	b.put(create(table, guardKey(guardName(a)), encodeGuard(a), w, "the stage is registered"))
	slug := action{table: table, key: slugKey(a.Slug), item: encodeSlug(a, false), write: w, reason: "the slug is another API's, or another node's"}
	e := &slug.expr
	e.require(e.missing(attrPK) + " OR (" + e.missing(attrID) + " AND " + e.compare(attrNodePath, "=", stringValue(a.Place.Path)) + ")")
	b.put(slug)
	b.moveRows(w, nil, b.store.protectedAPIRows(a))
	b.moveUses(w, nil, protectedAPIUse(a))
	return nil
}

// The registration's own condition, in the same transaction, says that what is found of it elsewhere is what was read.
func (b *builder) updateProtectedAPI(w protectedapi.Update) error {
	old, a, table := w.Old, w.New, b.store.tables.Identity
	it, err := encodeProtectedAPI(a)
	if err != nil {
		return err
	}
	act := action{table: table, key: protectedAPIKey(old.ID), item: it, write: w, reason: "the registration has changed"}
	isProtectedAPI(&act.expr, old)
	b.put(act)
	switch before, after := encodeGuard(old), encodeGuard(a); {
	case guardName(old) != guardName(a):
		b.put(action{table: table, key: guardKey(guardName(old)), delete: true, write: w})
		b.put(create(table, guardKey(guardName(a)), after, w, "the stage is registered"))
	case !sameItem(before, after):
		b.replace(w, guardKey(guardName(a)), after)
	}
	if after := encodeSlug(a, false); !sameItem(encodeSlug(old, false), after) {
		b.replace(w, slugKey(a.Slug), after)
	}
	b.moveRows(w, b.store.protectedAPIRows(old), b.store.protectedAPIRows(a))
	return nil
}

func (b *builder) deleteProtectedAPI(w protectedapi.Delete) {
	a, table := w.Old, b.store.tables.Identity
	act := action{table: table, key: protectedAPIKey(a.ID), delete: true, write: w, reason: "the registration has changed"}
	isProtectedAPI(&act.expr, a)
	b.put(act)
	b.put(action{table: table, key: guardKey(guardName(a)), delete: true, write: w})
	b.replace(w, slugKey(a.Slug), encodeSlug(a, true))
	b.moveRows(w, b.store.protectedAPIRows(a), nil)
	b.moveUses(w, protectedAPIUse(a), nil)
}

// replace puts an item of Identity in the place of one that is there.
func (b *builder) replace(w change.Write, k key, it item) {
	a := action{table: b.store.tables.Identity, key: k, item: it, write: w, reason: "it is not there"}
	a.expr.require(a.expr.exists(attrPK))
	b.put(a)
}

func isProtectedAPI(e *expression, old protectedapi.API) {
	e.require(e.exists(attrPK))
	e.require(e.isInt(attrVersion, old.Version))
	e.require(e.isInt(attrEventSeq, old.EventSeq))
}

// ProtectedAPI reads a registration.
func (s *Store) ProtectedAPI(ctx context.Context, a id.ProtectedAPI) (_ protectedapi.API, err error) {
	defer wrap(&err, "Store.ProtectedAPI(%s)", a)
	return one(ctx, s, s.tables.Identity, protectedAPIKey(a), "protected API", decodeProtectedAPI)
}

// ProtectedAPIs reads those registrations that are there, in any order: one call for up to 100.
func (s *Store) ProtectedAPIs(ctx context.Context, ids []id.ProtectedAPI) (_ []protectedapi.API, err error) {
	defer wrap(&err, "Store.ProtectedAPIs(%d)", len(ids))
	return many(ctx, s, s.tables.Identity, unique(ids, protectedAPIKey), decodeProtectedAPI)
}

// Registered tells which registration a stage has; "" for none.
func (s *Store) Registered(ctx context.Context, gateway, stage string) (_ id.ProtectedAPI, err error) {
	defer wrap(&err, "Store.Registered(%s, %s)", gateway, stage)
	it, err := s.getItem(ctx, s.tables.Identity, guardKey(gateway+"/"+stage), attrID)
	if err != nil || it == nil {
		return "", err
	}
	r := reader{it: it}
	return id.ProtectedAPI(r.string(attrID)), r.err
}

// ScopesOf reads what a credential carries; nothing for one that is not there.
func (s *Store) ScopesOf(ctx context.Context, credential string) (permission.Set, error) {
	c, err := s.Credential(ctx, credential)
	if err != nil || c == nil {
		return permission.Set{}, err
	}
	return c.Scopes, nil
}

// Declared finds registrations by their slugs, in any order: one call for up to 100.
func (s *Store) Declared(ctx context.Context, slugs []string) (_ []protectedapi.Declared, err error) {
	defer wrap(&err, "Store.Declared(%d)", len(slugs))
	return many(ctx, s, s.tables.Identity, unique(slugs, slugKey), decodeSlug)
}
