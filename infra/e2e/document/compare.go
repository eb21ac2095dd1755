package document

import (
	"fmt"
	"regexp"
	"strings"
)

// volatile are the words that differ from run to run; those with names have to agree with each other throughout a document.
var volatile = []struct {
	form *regexp.Regexp
	name bool
	mask string
}{
	{regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+/_aws/execute-api/[0-9a-z]+/v1|https://[0-9a-z]+\.execute-api\.[0-9a-z-]+\.amazonaws\.com/v1`), false, "<url>"},
	{secretOrStub, true, "<secret>"},
	{regexp.MustCompile(`\brole_Builtin[0-9A-Za-z]{13}\b`), false, "$0"},
	{regexp.MustCompile(`\b(?:msp|node|co|emp|role|sa|key|pat|ses|rot|pol|cal|api|evt)_[0-9A-Za-z]{20}\b`), true, "<id>"},
	{regexp.MustCompile(`\brk[a-z]_[0-9A-Za-z]{4}\b`), true, "<prefix>"},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), true, "<request>"},
	{regexp.MustCompile(`\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]+)?Z`), false, "<time>"},
	{regexp.MustCompile(`\bcurl/[0-9.]+`), false, "<curl>"},
}

var (
	secret       = regexp.MustCompile(`\b(rk[a-z]_[0-9A-Za-z]{20}_[0-9A-Za-z]{43})[0-9A-Za-z]{6}\b`)
	secretOrStub = regexp.MustCompile(`\brk[a-z]_[0-9A-Za-z]{20}_[0-9A-Za-z]{43}(?:[0-9A-Za-z]{6}\b|……)`)
	volatileWord = regexp.MustCompile(func() string {
		forms := make([]string, len(volatile))
		for i, v := range volatile {
			forms[i] = "(" + v.form.String() + ")"
		}
		return strings.Join(forms, "|")
	}())
)

// mask puts a stand-in for every word that differs from run to run, and returns the words that have names.
func mask(line string) (masked string, names []string) {
	masked = volatileWord.ReplaceAllStringFunc(line, func(word string) string {
		for _, v := range volatile {
			if v.form.FindString(word) != word {
				continue
			}
			if v.name {
				names = append(names, strings.TrimSuffix(secret.ReplaceAllString(word, "$1……"), "……"))
			}
			if v.mask == "$0" {
				return word
			}
			return v.mask
		}
		return word
	})
	return masked, names
}

func masked(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i], _ = mask(line)
	}
	return out
}

const anything = "…"

// align finds for each line of want its place in got, -1 for one that stands for any number of lines.
func align(want, got []string) ([]int, bool) {
	// fits[i][j]: want[i:] and got[j:] go together.
	fits := make([][]bool, len(want)+1)
	for i := range fits {
		fits[i] = make([]bool, len(got)+1)
	}
	fits[len(want)][len(got)] = true
	for i := len(want) - 1; i >= 0; i-- {
		for j := len(got); j >= 0; j-- {
			if strings.TrimSpace(want[i]) == anything {
				fits[i][j] = fits[i+1][j] || j < len(got) && fits[i][j+1]
			} else {
				fits[i][j] = j < len(got) && want[i] == got[j] && fits[i+1][j+1]
			}
		}
	}
	if !fits[0][0] {
		return nil, false
	}
	at, j := make([]int, len(want)), 0
	for i := range want {
		if strings.TrimSpace(want[i]) == anything {
			for at[i] = -1; !fits[i+1][j]; j++ {
			}
			continue
		}
		at[i] = j
		j++
	}
	return at, true
}

// Reader remembers which word of a run stands for which word of the document. The zero Reader remembers none.
type Reader struct{ run, document map[string]string }

// Compare returns an error when commands did not print what the document shows.
func (r *Reader) Compare(s Step, printed string) error {
	if !s.Shows() {
		return nil
	}
	if r.run == nil {
		r.run, r.document = map[string]string{}, map[string]string{}
	}
	want, got := strings.Split(s.Shown, "\n"), strings.Split(printed, "\n")
	at, ok := align(masked(want), masked(got))
	if !ok {
		return fmt.Errorf("document: the commands of line %d printed\n%s\nand not\n%s", s.Line, secret.ReplaceAllString(printed, "$1……"), s.Shown)
	}
	for i, line := range want {
		if at[i] < 0 {
			continue
		}
		_, theirs := mask(line)
		_, ours := mask(got[at[i]])
		for n, word := range theirs {
			before, known := r.run[word]
			other, taken := r.document[ours[n]]
			if known && before != ours[n] || taken && other != word {
				return fmt.Errorf("document: the commands of line %d printed %s where the document has %s, which stood for %s before", s.Line, ours[n], word, before)
			}
			r.run[word], r.document[ours[n]] = ours[n], word
		}
	}
	return nil
}
