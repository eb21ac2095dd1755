package notice

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rekey-dev/rekey/pkg/apikey"
	"github.com/rekey-dev/rekey/pkg/fault"
	"github.com/rekey-dev/rekey/pkg/id"
	"github.com/rekey-dev/rekey/pkg/mailbox"
	"github.com/rekey-dev/rekey/pkg/place"
	"github.com/rekey-dev/rekey/pkg/policy"
	"github.com/rekey-dev/rekey/pkg/rotation"
	"github.com/rekey-dev/rekey/pkg/serviceaccount"
	"github.com/rekey-dev/rekey/pkg/usage"
)

// What a message holds at most.
const (
	// MaxFull is how many matters a message tells in full, the most pressing first; of the others it gives the number.
	MaxFull = 100
	// sendersOf is for how many of them it is looked up who used the key last.
	sendersOf = 20
	// senderRows is how many rows of usage are looked at for that.
	senderRows = 100
)

// matter is a line together with what is so now.
type matter struct {
	line     mailbox.Line
	key      apikey.View
	terms    policy.Effective
	rotation *rotation.Rotation // of what is about one; else the open one that the key is the old key of, or nil
	owner    string             // of the account: the name of its company or node
	last     *usage.Row         // who used the key last; nil when it was not looked up or nobody did
}

// applies tells whether there is still something to act on. An owner is told of nothing that has been dealt with.
func (m matter) applies(now time.Time) bool {
	k, live := m.key.Key, m.key.State.Live()
	quiet := k.SupersededBy != "" && (k.UsedGen != k.Generation || k.LastUsedAt.Before(now.Add(-inUse)))
	switch m.line.Kind {
	case mailbox.Ending:
		return live && !k.ExpiresAt.IsZero() && m.key.State.Status == apikey.Expiring && !quiet
	case mailbox.RotationDue, mailbox.NotRotated:
		near := !k.RotateAt.IsZero() && !k.RotateAt.After(now.Add(m.terms.LongestNotice()))
		return live && k.SupersededBy == "" && near && !k.SecretSince().After(m.line.AddedAt)
	case mailbox.Overdue:
		return live && m.rotation != nil && m.rotation.State == rotation.Overdue
	case mailbox.Aborted:
		return live && m.rotation != nil && k.SupersededBy == ""
	case mailbox.Extended:
		return live && m.rotation != nil && !m.rotation.State.Final() && !quiet
	case mailbox.EndedInUse:
		return !live && m.key.Account.Status == serviceaccount.Active
	}
	return false
}

// compose makes the letter to a recipient of those of their lines that still apply; told is how many lines it tells, 0 for no
// letter. Whoever is no recipient any more is not written to.
func (r *run) compose(ctx context.Context, to mailbox.Recipient, lines []mailbox.Line) (_ Letter, told int, err error) {
	now := r.Now()
	matters, err := r.matters(ctx, to, lines, now)
	if err != nil || len(matters) == 0 {
		return Letter{}, 0, err
	}
	slices.SortStableFunc(matters, func(a, b matter) int {
		return cmp.Or(a.rank()-b.rank(), a.end().Compare(b.end()), cmp.Compare(a.key.Key.ID, b.key.Key.ID), cmp.Compare(a.line.Kind, b.line.Kind))
	})
	full := matters[:min(len(matters), MaxFull)]
	for i := range full {
		m := &full[i]
		if m.owner, err = r.ownerName(ctx, m.key.Key.Place); err != nil {
			return Letter{}, 0, err
		}
		if i < sendersOf {
			if m.last, err = r.lastSender(ctx, m.key.Key); err != nil {
				return Letter{}, 0, err
			}
		}
		if m.rotation == nil && m.key.Key.SupersededBy != "" && m.key.Key.RotationID != "" {
			if m.rotation, err = r.rotationOf(ctx, m.key.Key.RotationID); err != nil {
				return Letter{}, 0, err
			}
		}
	}
	l, err := render(full, matters[len(full):], now)
	l.To = lines[0].Address
	return l, len(matters), err
}

// matters holds the lines against what is so now: of each matter one, the latest.
func (r *run) matters(ctx context.Context, to mailbox.Recipient, lines []mailbox.Line, now time.Time) ([]matter, error) {
	latest := map[string]mailbox.Line{}
	for _, l := range lines {
		of := string(l.Kind) + " " + string(l.Key) + " " + string(l.Rotation)
		if old, ok := latest[of]; !ok || old.AddedAt.Before(l.AddedAt) {
			latest[of] = l
		}
	}
	views, err := r.views(ctx, latest)
	if err != nil {
		return nil, err
	}
	var accounts []serviceaccount.Account
	seen := map[id.ServiceAccount]bool{}
	for _, v := range views {
		if !seen[v.Account.ID] {
			seen[v.Account.ID] = true
			accounts = append(accounts, v.Account)
		}
	}
	terms, err := policy.ResolveEach(ctx, r.Store, accounts)
	if err != nil {
		return nil, err
	}
	wanted := map[id.ServiceAccount]bool{}
	for _, a := range accounts {
		addresses, err := r.recipients(ctx, a, terms[a.ID], r.owner)
		if err != nil {
			return nil, err
		}
		wanted[a.ID] = slices.ContainsFunc(addresses, func(address string) bool { return mailbox.RecipientOf(address) == to })
	}
	var out []matter
	told := map[id.Key]mailbox.Kind{} // what of a key says all that a mere notice of it would
	for _, l := range latest {
		v, ok := views[l.Key]
		if !ok || !wanted[v.Account.ID] {
			continue
		}
		m := matter{line: l, key: v, terms: terms[v.Account.ID]}
		if l.Rotation != "" {
			if m.rotation, err = r.rotationOf(ctx, l.Rotation); err != nil {
				return nil, err
			}
		}
		if m.applies(now) {
			out = append(out, m)
			if l.Kind != mailbox.Ending && told[l.Key] != mailbox.NotRotated {
				told[l.Key] = l.Kind
			}
		}
	}
	return slices.DeleteFunc(out, func(m matter) bool {
		of := told[m.line.Key]
		return m.line.Kind == mailbox.Ending && of != "" || m.line.Kind == mailbox.RotationDue && of == mailbox.NotRotated
	}), nil
}

// views reads the keys of lines. One that cannot be decoded is left out and keeps no other from being told of.
func (r *run) views(ctx context.Context, lines map[string]mailbox.Line) (map[id.Key]apikey.View, error) {
	keys := make([]id.Key, 0, len(lines))
	for _, l := range lines {
		keys = append(keys, l.Key)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	out := make(map[id.Key]apikey.View, len(keys))
	found, err := r.Keys.Views(ctx, keys)
	if err != nil && !fault.Is(err, fault.Unavailable) && len(keys) > 0 {
		found = nil
		for _, k := range keys {
			one, err := r.Keys.Views(ctx, []id.Key{k})
			if fault.Is(err, fault.Unavailable) {
				return nil, err
			}
			if err != nil {
				r.Log.Error("a key could not be read, and nobody is told of it", "key_id", string(k), "error", err)
			}
			found = append(found, one...)
		}
	} else if err != nil {
		return nil, err
	}
	for _, v := range found {
		out[v.Key.ID] = v
	}
	return out, nil
}

// rotationOf reads a rotation; nil for one that is not there, or cannot be decoded: that keeps nobody from being told of others.
func (r *run) rotationOf(ctx context.Context, of id.Rotation) (*rotation.Rotation, error) {
	found, err := r.Store.Rotation(ctx, of)
	switch {
	case err == nil:
		return &found, nil
	case fault.Is(err, fault.Unavailable):
		return nil, err
	case !fault.Is(err, fault.NotFound):
		r.Log.Error("a rotation could not be read, and nobody is told of it", "rotation_id", string(of), "error", err)
	}
	return nil, nil
}

// ownerName is the name of the company or node that an account belongs to, read once a run.
func (r *run) ownerName(ctx context.Context, at place.Place) (string, error) {
	if name, ok := r.owners[at.ID()]; ok {
		return name, nil
	}
	var name string
	if at.Company != "" {
		c, err := r.Store.Company(ctx, at.Company)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return "", err
		}
		name = c.Name
	} else {
		n, err := r.Store.Node(ctx, at.Node())
		if err != nil && !fault.Is(err, fault.NotFound) {
			return "", err
		}
		name = n.Name
	}
	r.owners[at.ID()] = cmp.Or(name, at.ID())
	return r.owners[at.ID()], nil
}

// lastSender returns who used a key last, of the rows of the hour of its last use.
func (r *run) lastSender(ctx context.Context, k apikey.Key) (*usage.Row, error) {
	if k.LastUsedAt.IsZero() || k.UsedGen != k.Generation {
		return nil, nil
	}
	hour := usage.HourOf(k.LastUsedAt)
	rows, _, err := r.Store.Usage(ctx, k.ID, hour, hour.Add(time.Hour), "", senderRows)
	if err != nil {
		return nil, err
	}
	var last *usage.Row
	for i, row := range rows {
		used := row.Verdict == usage.Accepted || row.Verdict == usage.MissingScope
		if used && (last == nil || row.LastAt.After(last.LastAt)) {
			last = &rows[i]
		}
	}
	return last, nil
}
