package storetest

import (
	"strings"
	"time"

	"github.com/rekey-dev/rekey/pkg/change"
	"github.com/rekey-dev/rekey/pkg/employee"
	"github.com/rekey-dev/rekey/pkg/id"
)

func (w *world) readLetters(address string) employee.Letters {
	w.t.Helper()
	l, err := w.store.Letters(w.ctx, address)
	w.NoError(err)
	return l
}

func (w *world) letterTo(l employee.Letters, at time.Time) (employee.Letters, change.Set) {
	next, wait := l.OneMore(at)
	w.Zero(wait)
	return next, w.set(w.happened("employee", string(newID[id.Employee]()), 1), employee.CountLetter{Letters: next})
}

var letterTests = []test{
	{"the letters to an address read as they were counted, in any case of it", func(w *world) {
		address := strings.ToLower(string(newID[id.Employee]())) + "@example.com"
		l := w.readLetters(address)
		w.Equal(employee.Letters{Address: address}, l)
		for i := range employee.MaxLetters {
			next, set := w.letterTo(l, w.now.Add(time.Duration(i)*time.Minute))
			w.commit(set)
			l = w.readLetters(strings.ToUpper(address))
			w.Equal(strings.ToUpper(address), l.Address)
			l.Address = address
			w.same(next, l)
		}
		_, wait := l.OneMore(w.now.Add(10 * time.Minute))
		w.Equal(50*time.Minute, wait)
		next, set := w.letterTo(l, w.now.Add(time.Hour))
		w.commit(set)
		w.same(next, w.readLetters(address))
		w.Len(next.Sent, employee.MaxLetters)
		w.Equal(employee.Letters{Address: "x" + address}, w.readLetters("x"+address))
	}},
	{"of letters to one address at the same moment one is counted, the first and a later one", func(w *world) {
		address := strings.ToLower(string(newID[id.Employee]())) + "@example.com"
		for range 2 {
			l := w.readLetters(address)
			sets := make([]change.Set, 6)
			for i := range sets {
				_, sets[i] = w.letterTo(l, w.now)
			}
			w.oneWon(together(len(sets), func(i int) error { return w.store.Commit(w.ctx, sets[i]) }))
			_, late := w.letterTo(l, w.now)
			w.lost(late, employee.CountLetter{})
			w.Len(w.readLetters(address).Sent, len(l.Sent)+1)
		}
	}},
}
