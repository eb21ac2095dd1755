package policy

import (
	"context"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/calendar"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/lock"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
)

// Source says where a value comes from: a policy, or, with the zero Source, the defaults.
type Source struct {
	Policy     id.Policy
	AttachedTo Attachment
}

// IsDefault tells whether no policy sets the value.
func (s Source) IsDefault() bool { return s.Policy == "" }

// Value is the value of one field together with its source.
type Value[T any] struct {
	Value  T
	Source Source
}

// Effective is what holds for one account, or at one place.
type Effective struct {
	Nearest         Source                    // the nearest policy of all, whatever it sets
	Schedule        Value[*calendar.Schedule] // nil: keys do not rotate by themselves
	Overlap         Value[time.Duration]
	Notice          Value[[]time.Duration] // longest first, at least one
	QuietFor        Value[time.Duration]
	RetireOnQuiet   Value[bool]
	ExtendOnce      Value[time.Duration] // 0: never
	AllowRotateSelf Value[bool]
	DefaultLifetime Value[time.Duration] // 0: none
	MaxLifetime     Value[time.Duration] // 0: none
	ReportOnly      Value[bool]
	Lock            Value[lock.Policy]
	Calendars       Value[[]id.Calendar]
	DeliverTo       Value[*Delivery] // nil: whoever rotates is shown the secret
	Notify          Value[[]string]
}

// EffectiveOf takes each field from the first policy that sets it. The policies are ordered, the nearest first.
func EffectiveOf(nearestFirst []Policy) Effective {
	return Effective{
		Nearest:  first(nearestFirst, Source{}, func(Fields) (Source, bool) { return Source{}, true }).Source,
		Schedule: first(nearestFirst, nil, func(f Fields) (*calendar.Schedule, bool) { return f.Schedule, f.Schedule != nil }),
		Overlap:  set(nearestFirst, DefaultOverlap, func(f Fields) *time.Duration { return f.Overlap }),
		Notice: first(nearestFirst, slices.Clone(DefaultNotice), func(f Fields) ([]time.Duration, bool) {
			return f.Notice, len(f.Notice) > 0
		}),
		QuietFor:        set(nearestFirst, DefaultQuietFor, func(f Fields) *time.Duration { return f.QuietFor }),
		RetireOnQuiet:   set(nearestFirst, false, func(f Fields) *bool { return f.RetireOnQuiet }),
		ExtendOnce:      set(nearestFirst, 0, func(f Fields) *time.Duration { return f.ExtendOnce }),
		AllowRotateSelf: set(nearestFirst, true, func(f Fields) *bool { return f.AllowRotateSelf }),
		DefaultLifetime: set(nearestFirst, 0, func(f Fields) *time.Duration { return f.DefaultLifetime }),
		MaxLifetime:     set(nearestFirst, 0, func(f Fields) *time.Duration { return f.MaxLifetime }),
		ReportOnly:      set(nearestFirst, false, func(f Fields) *bool { return f.ReportOnly }),
		Lock:            set(nearestFirst, lock.Default, func(f Fields) *lock.Policy { return f.Lock }),
		Calendars:       set(nearestFirst, nil, func(f Fields) *[]id.Calendar { return f.Calendars }),
		DeliverTo:       first(nearestFirst, nil, func(f Fields) (*Delivery, bool) { return f.DeliverTo, f.DeliverTo != nil }),
		Notify:          set(nearestFirst, nil, func(f Fields) *[]string { return f.Notify }),
	}
}

func first[T any](policies []Policy, otherwise T, get func(Fields) (T, bool)) Value[T] {
	for _, p := range policies {
		if v, ok := get(p.Fields); ok {
			return Value[T]{Value: v, Source: Source{Policy: p.ID, AttachedTo: p.AttachedTo}}
		}
	}
	return Value[T]{Value: otherwise}
}

func set[T any](policies []Policy, otherwise T, get func(Fields) *T) Value[T] {
	return first(policies, otherwise, func(f Fields) (T, bool) {
		if v := get(f); v != nil {
			return *v, true
		}
		return otherwise, false
	})
}

// Finder reads policies by what they are attached to.
type Finder interface {
	// PoliciesOf returns the policies of places and accounts, by their IDs, in any order; those that have none are left out.
	// The read is strongly consistent and one call for up to 100.
	PoliciesOf(ctx context.Context, attached []string) ([]Policy, error)
}

// Resolve returns what holds for an account: one read, of the account, its company and its nodes.
func Resolve(ctx context.Context, f Finder, a serviceaccount.Account) (Effective, error) {
	return resolve(ctx, f, append([]string{string(a.ID)}, nearest(a.Place)...))
}

// ResolveAt returns what holds at a place, for whatever has no policy of its own: one read.
func ResolveAt(ctx context.Context, f Finder, at place.Place) (Effective, error) {
	return resolve(ctx, f, nearest(at))
}

// LockAt makes the LockAt of the service of accounts: the numbers of the lock that hold at a place, as an account keeps them.
func LockAt(f Finder) func(context.Context, place.Place) (lock.Policy, error) {
	return func(ctx context.Context, at place.Place) (lock.Policy, error) {
		e, err := ResolveAt(ctx, f, at)
		return e.Lock.Value.Own(), err
	}
}

func nearest(at place.Place) []string {
	ids := at.Ancestors()
	slices.Reverse(ids)
	return ids
}

func resolve(ctx context.Context, f Finder, nearestFirst []string) (Effective, error) {
	found, err := f.PoliciesOf(ctx, nearestFirst)
	if err != nil {
		return Effective{}, err
	}
	slices.SortFunc(found, func(a, b Policy) int {
		return slices.Index(nearestFirst, a.AttachedTo.ID) - slices.Index(nearestFirst, b.AttachedTo.ID)
	})
	return EffectiveOf(found), nil
}

// LongestNotice is how long before its end a key begins to count as expiring.
func (e Effective) LongestNotice() time.Duration { return slices.Max(e.Notice.Value) }

// Most is the longest life of a secret that is not refused, and whether there is such a bound. A policy that only reports has
// none.
func (e Effective) Most() (time.Duration, bool) {
	return e.MaxLifetime.Value, e.MaxLifetime.Value > 0 && !e.ReportOnly.Value
}

// ResolveEach returns what holds for each of several accounts: one read for every hundred accounts, companies and nodes.
func ResolveEach(ctx context.Context, f Finder, accounts []serviceaccount.Account) (map[id.ServiceAccount]Effective, error) {
	var attached []string
	seen := map[string]bool{}
	for _, a := range accounts {
		for _, at := range append(nearest(a.Place), string(a.ID)) {
			if !seen[at] {
				seen[at] = true
				attached = append(attached, at)
			}
		}
	}
	found := make(map[string]Policy)
	for part := range slices.Chunk(attached, 100) {
		policies, err := f.PoliciesOf(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, p := range policies {
			found[p.AttachedTo.ID] = p
		}
	}
	out := make(map[id.ServiceAccount]Effective, len(accounts))
	for _, a := range accounts {
		var nearestFirst []Policy
		for _, at := range append([]string{string(a.ID)}, nearest(a.Place)...) {
			if p, ok := found[at]; ok {
				nearestFirst = append(nearestFirst, p)
			}
		}
		out[a.ID] = EffectiveOf(nearestFirst)
	}
	return out, nil
}
