package memstore

import (
	"context"
	"slices"

	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/fold"
)

func (t *transaction) countLetter(w employee.CountLetter) string {
	next, at := w.Letters, fold.Name(w.Letters.Address)
	next.Sent = slices.Clone(next.Sent)
	if t.letters[at].Revision != next.Revision-1 {
		return "another letter went to the address"
	}
	t.touch("letters " + at)
	t.then(func() { t.letters[at] = next })
	return ""
}

// Letters returns what letters with codes went to an address.
func (s *Store) Letters(ctx context.Context, address string) (employee.Letters, error) {
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return employee.Letters{}, err
	}
	out := s.letters[fold.Name(address)]
	out.Address, out.Sent = address, slices.Clone(out.Sent)
	return out, nil
}

func (f *Flaky) Letters(ctx context.Context, address string) (employee.Letters, error) {
	return through(ctx, f, "Letters", func(ctx context.Context) (employee.Letters, error) { return f.Under.Letters(ctx, address) })
}
