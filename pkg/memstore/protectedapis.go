package memstore

import (
	"context"
	"slices"

	"github.com/rekey-dev/rekey/pkg/fold"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/protectedapi"
)

// guarded are the APIs that are guarded besides rekey's own.
type guarded struct {
	apis  map[id.ProtectedAPI]protectedapi.API
	slugs map[string]protectedapi.Declared
}

func copyProtectedAPI(a protectedapi.API) protectedapi.API {
	a.Scopes, a.Routes = slices.Clone(a.Scopes), slices.Clone(a.Routes)
	return a
}

func stageOf(a protectedapi.API) string { return a.GatewayID + "/" + a.Stage }

// registered finds the registration of a stage.
func (s *Store) registered(stage string) (protectedapi.API, bool) {
	for _, a := range s.apis {
		if stageOf(a) == stage {
			return a, true
		}
	}
	return protectedapi.API{}, false
}

func (t *transaction) createProtectedAPI(w protectedapi.Create) string {
	a := copyProtectedAPI(w.API)
	if _, ok := t.apis[a.ID]; ok {
		return "the registration exists"
	}
	if !t.there(a.Place.ID()) {
		return "the registration's node is not there"
	}
	if _, ok := t.registered(stageOf(a)); ok {
		return "the stage is registered"
	}
	if held, ok := t.slugs[a.Slug]; ok && (held.ID != "" || held.Place != a.Place) {
		return "the slug is another API's, or another node's"
	}
	if !t.claim("protected_apis", a.Place.ID(), a.Name) {
		return "an API of the node has the name"
	}
	t.touch("protected API " + string(a.ID))
	t.touch("slug " + a.Slug)
	t.touch("stage " + stageOf(a))
	t.then(func() { t.apis[a.ID], t.slugs[a.Slug] = a, a.Declared() })
	return ""
}

// sameProtectedAPI tells whether a registration is as it was read; "" when it is.
func (t *transaction) sameProtectedAPI(old protectedapi.API) string {
	a, ok := t.apis[old.ID]
	switch {
	case !ok:
		return "the registration is not there"
	case a.Version != old.Version:
		return "the registration's version is another"
	case a.EventSeq != old.EventSeq:
		return "the registration's event seq is another"
	}
	t.touch("protected API " + string(a.ID))
	return ""
}

func (t *transaction) updateProtectedAPI(w protectedapi.Update) string {
	if reason := t.sameProtectedAPI(w.Old); reason != "" {
		return reason
	}
	old, n := t.apis[w.Old.ID], copyProtectedAPI(w.New)
	if n.Place != old.Place || n.Slug != old.Slug || n.ID != old.ID || !n.CreatedAt.Equal(old.CreatedAt) {
		panic("memstore: an update of what never changes of a registration: " + string(old.ID))
	}
	if stageOf(n) != stageOf(old) {
		if _, ok := t.registered(stageOf(n)); ok {
			return "the stage is registered"
		}
		t.touch("stage " + stageOf(n))
	}
	if fold.Name(n.Name) != fold.Name(old.Name) {
		if !t.claim("protected_apis", old.Place.ID(), n.Name) {
			return "an API of the node has the new name"
		}
		t.release("protected_apis", old.Place.ID(), old.Name)
	}
	t.then(func() { t.apis[n.ID], t.slugs[n.Slug] = n, n.Declared() })
	return ""
}

func (t *transaction) deleteProtectedAPI(w protectedapi.Delete) string {
	if reason := t.sameProtectedAPI(w.Old); reason != "" {
		return reason
	}
	a := t.apis[w.Old.ID]
	t.release("protected_apis", a.Place.ID(), a.Name)
	t.then(func() {
		delete(t.apis, a.ID)
		t.slugs[a.Slug] = protectedapi.Declared{Slug: a.Slug, Place: a.Place}
	})
	return ""
}

// ProtectedAPI returns a registration.
func (s *Store) ProtectedAPI(ctx context.Context, a id.ProtectedAPI) (protectedapi.API, error) {
	found, err := one(ctx, s, s.apis, a, "protected API")
	return copyProtectedAPI(found), err
}

// ProtectedAPIs returns those that are there.
func (s *Store) ProtectedAPIs(ctx context.Context, ids []id.ProtectedAPI) ([]protectedapi.API, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []protectedapi.API
	for _, a := range ids {
		if found, ok := s.apis[a]; ok {
			out = append(out, copyProtectedAPI(found))
		}
	}
	return out, nil
}

// Registered tells which registration a stage has.
func (s *Store) Registered(ctx context.Context, gateway, stage string) (id.ProtectedAPI, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return "", err
	}
	a, _ := s.registered(gateway + "/" + stage)
	return a.ID, nil
}

// ScopesOf reads what a credential carries.
func (s *Store) ScopesOf(ctx context.Context, credential string) (permission.Set, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return permission.Set{}, err
	}
	if c := s.credential(credential); c != nil {
		return c.Scopes, nil
	}
	return permission.Set{}, nil
}

// Declared finds registrations by their slugs.
func (s *Store) Declared(ctx context.Context, slugs []string) ([]protectedapi.Declared, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	var out []protectedapi.Declared
	for i, slug := range slugs {
		if d, ok := s.slugs[slug]; ok && !slices.Contains(slugs[:i], slug) {
			d.Scopes = slices.Clone(d.Scopes)
			out = append(out, d)
		}
	}
	return out, nil
}

func (f *Flaky) ProtectedAPI(ctx context.Context, a id.ProtectedAPI) (protectedapi.API, error) {
	return through(ctx, f, "ProtectedAPI", func(ctx context.Context) (protectedapi.API, error) { return f.Under.ProtectedAPI(ctx, a) })
}

func (f *Flaky) ProtectedAPIs(ctx context.Context, ids []id.ProtectedAPI) ([]protectedapi.API, error) {
	return through(ctx, f, "ProtectedAPIs", func(ctx context.Context) ([]protectedapi.API, error) { return f.Under.ProtectedAPIs(ctx, ids) })
}

func (f *Flaky) Registered(ctx context.Context, gateway, stage string) (id.ProtectedAPI, error) {
	return through(ctx, f, "Registered", func(ctx context.Context) (id.ProtectedAPI, error) { return f.Under.Registered(ctx, gateway, stage) })
}

func (f *Flaky) Declared(ctx context.Context, slugs []string) ([]protectedapi.Declared, error) {
	return through(ctx, f, "Declared", func(ctx context.Context) ([]protectedapi.Declared, error) { return f.Under.Declared(ctx, slugs) })
}

func (f *Flaky) ScopesOf(ctx context.Context, credential string) (permission.Set, error) {
	return through(ctx, f, "ScopesOf", func(ctx context.Context) (permission.Set, error) { return f.Under.ScopesOf(ctx, credential) })
}
