package employee

import (
	"slices"
	"time"
)

const (
	// MaxLetters is how many letters with a code go to one address within LettersPer, whoever sends them, and however often the employee
	// who has the address was made anew.
	MaxLetters = 5
	LettersPer = time.Hour
)

// Letters are the letters with codes that went to an address, of those within LettersPer all. They are the address's and no
// employee's: deleting one and inviting another with the same address begins nothing anew.
type Letters struct {
	Address  string      // in any case
	Sent     []time.Time // oldest first, at most MaxLetters
	Revision int64       // moves with every letter; 0 where none is known of
}

// OneMore returns the letters with one more that goes at now, or, when none may go, how long until one may.
func (l Letters) OneMore(now time.Time) (next Letters, wait time.Duration) {
	l.Sent = slices.DeleteFunc(slices.Clone(l.Sent), func(at time.Time) bool { return !now.Before(at.Add(LettersPer)) })
	if len(l.Sent) >= MaxLetters {
		return l, l.Sent[0].Add(LettersPer).Sub(now)
	}
	l.Sent = append(l.Sent, now)
	l.Revision++
	return l, 0
}

// CountLetter counts a letter before it is sent, in the change that makes its code. It is lost when another one to the address was
// counted since Letters was read.
type CountLetter struct{ Letters Letters }

func (CountLetter) Write() {}
