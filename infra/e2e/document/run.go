package document

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Shell is where a document's commands are run.
type Shell struct {
	Folder string   // the working folder
	Env    []string // NAME=value
}

// separator begins what a step prints: a character that no command prints by itself.
const separator = "\x1e"

// Run runs the commands of all steps in one shell, as if they were pasted one after the other, and returns what each printed
// on the standard output, without the newlines at the end. The first command that fails ends it. Secrets are what the shell
// knows at the end.
func (sh Shell) Run(ctx context.Context, steps []Step) (printed, secrets []string, err error) {
	var script strings.Builder
	script.WriteString("set -eu -o pipefail\n")
	for _, s := range steps {
		fmt.Fprintf(&script, "printf '\\036'\n%s\n", s.Commands)
	}
	script.WriteString("printf '\\036'\nset\n")
	cmd := exec.CommandContext(ctx, "bash", "-c", script.String())
	cmd.Dir, cmd.Env = sh.Folder, sh.Env
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err = cmd.Run()
	parts := strings.Split(out.String(), separator)[1:]
	for i, p := range parts {
		parts[i] = strings.TrimRight(p, "\n")
	}
	if err != nil {
		at, last := steps[0], ""
		if n := len(parts); n > 0 {
			at, last = steps[min(n, len(steps))-1], secret.ReplaceAllString(parts[n-1], "$1……")
		}
		return nil, nil, fmt.Errorf("document: the commands of line %d failed: %w\n%s\n%s", at.Line, err, last, problems.String())
	}
	return parts[:len(steps)], secret.FindAllString(out.String(), -1), nil
}
