// Command bench measures what rekey promises about cost and load, and prints a table: what, the bound, what was measured,
// whether it holds, and the command that measures it again. `make bench` gives it what it needs; docs/performance.md explains
// each line.
//
//	REKEY_DYNAMODB_ENDPOINT   a dynoxide endpoint: round trips, capacity units, allocations, processes, concurrency
//	REKEY_STACK               stack.json of a fresh local stack: concurrency once more, on the emulator
//
// What has neither is left out with a line that says so, and the exit status is 1 then, as it is when a bound does not hold.
// -only takes a part of the names of groups: units, allocations, binary, process, concurrency, sweep, stack, start. -keys is how
// many keys the larger deployment of sweep has.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rekey-dev/rekey/infra/e2e/stack"
)

// Figure is one line of the table.
type Figure struct {
	What     string
	Bound    string
	Measured string
	OK       bool
}

// at judges a measured number against the most that it may be; note is printed beside it.
func at(what string, measured, most float64, note string) Figure {
	f := Figure{What: what, Bound: "≤ " + number(most), Measured: number(measured), OK: measured <= most}
	if most == 0 {
		f.Bound = "0"
	}
	if note != "" {
		f.Measured += " (" + note + ")"
	}
	return f
}

func number(n float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", n), "0"), ".")
}

// group is a set of figures that are measured together.
type group struct {
	name    string
	needs   []string // environment variables
	measure func(ctx context.Context, s settings) ([]Figure, error)
}

// settings are what the command line says.
type settings struct {
	quick bool // no evidence: everything that can be is smaller
	keys  int  // of the larger deployment in which the sweeper runs
}

// size is n, or a tenth of it.
func (s settings) size(n int) int {
	if s.quick {
		return n / 10
	}
	return n
}

var groups = []group{
	{"units", []string{endpointVariable}, units},
	{"allocations", []string{endpointVariable}, allocations},
	{"binary", nil, binarySizes},
	{"process", []string{endpointVariable}, processes},
	{"concurrency", []string{endpointVariable}, concurrency},
	{"sweep", []string{endpointVariable}, sweeps},
	{"stack", []string{stack.FileVariable}, onTheStack},
	{"start", nil, secondStart},
}

func main() {
	if endpoint := os.Getenv(standInVariable); endpoint != "" {
		standIn(endpoint)
		return
	}
	if order := os.Getenv(sweepVariable); order != "" {
		if err := sweepHere(order); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	only := flag.String("only", "", "measure only the groups whose name contains this")
	quick := flag.Bool("quick", false, "a tenth of the size and of the runs; no evidence")
	keys := flag.Int("keys", 1_000_000, "keys in the larger deployment of the group sweep")
	flag.Parse()
	if bad := run(context.Background(), *only, settings{*quick, *keys}); bad > 0 {
		fmt.Fprintf(os.Stderr, "%d lines are not ok\n", bad)
		os.Exit(1)
	}
}

// run prints each group's figures as soon as they are there, and returns how many lines are not ok.
func run(ctx context.Context, only string, s settings) (bad int) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	measured := false
	for _, g := range groups {
		if !strings.Contains(g.name, only) {
			continue
		}
		measured = true
		start := time.Now()
		figures, err := g.figures(ctx, s)
		if err != nil {
			fmt.Fprintf(os.Stderr, "NOT MEASURED: %s: %v\n", g.name, err)
			bad++
		}
		fmt.Fprintf(table, "\nfigure\tbound\tmeasured\tok\tcommand (%.0f s)\n", time.Since(start).Seconds())
		for _, f := range figures {
			verdict := "ok"
			if !f.OK {
				verdict = "NOT OK"
				bad++
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\tgo run ./infra/bench -only %s\n", f.What, f.Bound, f.Measured, verdict, g.name)
		}
		table.Flush()
	}
	if !measured {
		fmt.Fprintf(os.Stderr, "NOT MEASURED: no group's name contains %q\n", only)
		bad++
	}
	return bad
}

func (g group) figures(ctx context.Context, s settings) ([]Figure, error) {
	for _, variable := range g.needs {
		if os.Getenv(variable) == "" {
			return nil, fmt.Errorf("%s is not set", variable)
		}
	}
	return g.measure(ctx, s)
}
