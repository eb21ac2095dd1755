// Package document runs the commands that stand in a Markdown document and holds what they print against what it shows.
//
// A fenced block of the language sh holds commands; "sh no-test" holds commands that are not run. The next fenced block of the
// language json or text, if it comes before further commands, shows what they print: every line of it must come, in this order,
// and a line that is only "…" stands for any number of lines. What is different every time (IDs, secrets, times, addresses) may
// differ, but what is the same twice in the document has to be the same twice in the run. Blocks of other languages are not
// looked at.
package document

import (
	"fmt"
	"strings"
)

// Step is a block of commands and what the document says that it prints.
type Step struct {
	Line     int // of the document, from 1, where the commands begin
	Commands string
	Shown    string // what the document shows; "" where it shows nothing
	begin    int    // line indexes of what is shown, [begin, end); both 0 where it shows nothing
	end      int
}

// Shows tells whether the document shows what the commands print.
func (s Step) Shows() bool { return s.end > 0 }

// Parse returns the steps of a document.
func Parse(text string) ([]Step, error) {
	lines := strings.Split(text, "\n")
	var steps []Step
	for i := 0; i < len(lines); i++ {
		language, fenced := strings.CutPrefix(lines[i], "```")
		if !fenced {
			continue
		}
		begin := i + 1
		for i++; i < len(lines) && lines[i] != "```"; i++ {
		}
		if i == len(lines) {
			return nil, fmt.Errorf("document: the block of line %d has no end", begin)
		}
		block := strings.Join(lines[begin:i], "\n")
		switch last := len(steps) - 1; language {
		case "sh":
			steps = append(steps, Step{Line: begin + 1, Commands: block})
		case "json", "text":
			if last < 0 || steps[last].Shows() {
				return nil, fmt.Errorf("document: the block of line %d shows what no commands printed", begin)
			}
			steps[last].Shown, steps[last].begin, steps[last].end = block, begin, i
		case "":
			return nil, fmt.Errorf("document: the block of line %d says no language", begin)
		}
	}
	return steps, nil
}

// Show returns the document with what its steps printed in the place of what it shows: in full where the two do not agree, and
// otherwise as far as it shows it. The last six characters of a secret are left out.
func Show(text string, steps []Step, printed []string) string {
	lines := strings.Split(text, "\n")
	for i := len(steps) - 1; i >= 0; i-- {
		s := steps[i]
		if !s.Shows() {
			continue
		}
		shown := shorten(s.Shown, printed[i])
		lines = append(lines[:s.begin], append(strings.Split(secret.ReplaceAllString(shown, "$1……"), "\n"), lines[s.end:]...)...)
	}
	return strings.Join(lines, "\n")
}

func shorten(shown, printed string) string {
	want, got := strings.Split(shown, "\n"), strings.Split(printed, "\n")
	at, ok := align(masked(want), masked(got))
	if !ok {
		return printed
	}
	out := make([]string, len(want))
	for i, line := range want {
		if out[i] = line; at[i] >= 0 {
			out[i] = got[at[i]]
		}
	}
	return strings.Join(out, "\n")
}
