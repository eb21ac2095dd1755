package protectedapi

import (
	"context"
	"strings"

	"github.com/rekey-dev/rekey/pkg/authz"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/permission"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/role"
)

// Finder finds what protected APIs declare, by their slugs, in any order. A slug whose API is gone is found without an ID and without
// scopes.
type Finder interface {
	Declared(ctx context.Context, slugs []string) ([]Declared, error)
}

// Kinds are the kinds of scopes, by name.
type Kinds map[permission.Permission]permission.Kind

// Usable returns those of the names that are scopes which can be held at a place: declared by an API of its node or of one above. It
// reads nothing when none of the names is that of a protected scope.
func Usable(ctx context.Context, f Finder, names []string, at place.Place) (Kinds, error) {
	return kindsOf(ctx, f, names, func(d Declared) bool { return d.Place.Covers(at) })
}

// UsableBy is Usable, and returns with the same read those of the names that the caller is shown, see Offered, but that cannot be held
// at the place.
func UsableBy(ctx context.Context, f Finder, c authz.Caller, names []string, at place.Place) (usable, elsewhere Kinds, err error) {
	elsewhere = Kinds{}
	usable, err = kindsOf(ctx, f, names, func(d Declared) bool {
		if d.Place.Covers(at) {
			return true
		}
		if d.Place.Covers(c.Place) || c.Place.Covers(d.Place) {
			for _, s := range d.Scopes {
				elsewhere[s.Name] = s.Kind
			}
		}
		return false
	})
	return usable, elsewhere, err
}

// IsNone says of a name that cannot be held at a place why. One of elsewhere is not denied to whoever is shown it.
func IsNone(p permission.Permission, elsewhere Kinds) string {
	if _, there := elsewhere[p]; there {
		return "is a scope that exists only at its API's node and below, which is not here"
	}
	return "is no permission"
}

func kindsOf(ctx context.Context, f Finder, names []string, wanted func(Declared) bool) (Kinds, error) {
	asked, slugs := map[string]bool{}, []string(nil)
	for _, n := range names {
		if slug, _, _ := strings.Cut(n, ":"); permission.IsProtected(n) && !asked[slug] {
			asked[slug] = true
			slugs = append(slugs, slug)
		}
	}
	if len(slugs) == 0 {
		return nil, nil
	}
	found, err := f.Declared(ctx, slugs)
	if err != nil {
		return nil, err
	}
	kinds := Kinds{}
	for _, d := range found {
		if !wanted(d) {
			continue
		}
		for _, s := range d.Scopes {
			kinds[s.Name] = s.Kind
		}
	}
	return kinds, nil
}

// Holdings is what tells which protected scopes a caller holds by name: its context names none.
type Holdings interface {
	Finder
	// CustomRole reads a role as it is now; nil for one that is not there.
	CustomRole(ctx context.Context, r id.Role) (*role.Role, error)
	// ScopesOf reads what a key, a personal access token or a session carries; nothing for one that is not there.
	ScopesOf(ctx context.Context, credential string) (permission.Set, error)
}

// Grantable is authz.Caller.Grantable for a set that may have names of protected scopes: nobody grants, or is shown a secret that
// carries, what they do not hold. A caller that holds every kind is asked nothing further; of another one the role and the credential
// are read. A name that no API declares any more counts as one that may come back: it is held by who holds it by name.
func Grantable(ctx context.Context, h Holdings, c authz.Caller, s permission.Set) error {
	lacking := s.Without(c.Effective).Protected()
	if len(lacking) == 0 || !s.WithoutProtected().Without(c.Effective).IsEmpty() {
		return c.Grantable(s)
	}
	kinds, err := kindsOf(ctx, h, lacking, func(Declared) bool { return true })
	if err != nil {
		return err
	}
	held, carried, err := holdings(ctx, h, c)
	if err != nil {
		return err
	}
	for _, name := range lacking {
		p := permission.Permission(name)
		if c.HoldsScope(held, carried, p, kinds[p]) == nil {
			c.Effective = c.Effective.Or(permission.Of(p))
		}
	}
	return c.Grantable(s)
}

// holdings reads what a caller's role has and what its credential carries.
func holdings(ctx context.Context, h Holdings, c authz.Caller) (held, carried permission.Set, err error) {
	r, ok := role.BuiltIn(c.RoleID)
	if !ok {
		custom, err := h.CustomRole(ctx, c.RoleID)
		if err != nil || custom == nil {
			return permission.Set{}, permission.Set{}, err
		}
		r = *custom
	}
	carried, err = h.ScopesOf(ctx, c.KeyID)
	return r.Permissions, carried, err
}
