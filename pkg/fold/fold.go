// Package fold gives texts the form in which they are compared and sorted: two names are the same when their folded forms
// are. It is apart from package name because its tables of Unicode are worth a tenth of a small program: only what folds
// links them.
package fold

import (
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Name folds a name or an e-mail address: Unicode NFC, full case folding, NFC again. Folding twice changes nothing.
func Name(s string) string {
	return norm.NFC.String(cases.Fold().String(strings.Map(cherokee, norm.NFC.String(s))))
}

// cherokee makes Cherokee capitals small. Unicode folds its small letters to capitals and leaves those; cases.Fold exchanges
// the two, so it must only meet small ones.
func cherokee(r rune) rune {
	switch {
	case r >= 0x13A0 && r <= 0x13EF:
		return r - 0x13A0 + 0xAB70
	case r >= 0x13F0 && r <= 0x13F5:
		return r - 0x13F0 + 0x13F8
	}
	return r
}
