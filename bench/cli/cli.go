// Package cli is `sluice bench`: it measures sluice beside nginx, HAProxy and whatever
// else is named, and writes what it found; it compares two such runs.
//
// It is one program in three roles, because the load generator and the stub
// origin must be processes of their own to be pinned and accounted for: the
// harness starts this same executable again as `bench origin` and `bench load`.
//
//	sluice bench                             # everything, writes BENCHMARKS.md
//	sluice bench --only http-small           # one, prints
//	sluice bench --only http --quick --base FILE    # all of HTTP, beside another sluice
//	sluice bench --url http://10.0.0.1/ --against mine=10.0.0.1:80@1234    # another proxy, its own origin
//	sluice bench compare A.json B.json
package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"sluice/bench/load"
	"sluice/bench/origin"
	"sluice/bench/report"
)

// Verb is the word under which a command line has the commands.
const Verb = "bench"

// Commands are what can be said after the verb.
type Commands struct {
	Run     runCommand     `cmd:"" default:"withargs" help:"Run the scenarios and write the report (the default)."`
	Compare compareCommand `cmd:"" help:"Show what changed between two runs."`
	Origin  originCommand  `cmd:"" hidden:"" help:"The stub origin; started by the harness."`
	Load    loadCommand    `cmd:"" hidden:"" help:"The load generator; started by the harness."`
}

// compareCommand prints what changed; its status says whether anything became worse.
type compareCommand struct {
	Before string `arg:"" help:"The run.json of the earlier run." type:"existingfile"`
	After  string `arg:"" help:"The run.json of the later run." type:"existingfile"`
}

// Run prints the comparison. The error says that sluice became worse, or that there is
// nothing to compare.
func (c *compareCommand) Run() error {
	before, err := report.Read(c.Before)
	if err != nil {
		return err
	}
	after, err := report.Read(c.After)
	if err != nil {
		return err
	}
	compared := report.Compare(before, after)
	if compared.Empty() {
		return errors.New("the runs have measured nothing in common")
	}
	if _, err := os.Stdout.Write(compared.Markdown()); err != nil {
		return err
	}
	if n := compared.Worse(); n > 0 {
		return fmt.Errorf("%d of sluice's numbers have become worse", n)
	}
	return nil
}

// originCommand prints the port, serves until its standard input closes and prints
// what it has seen.
type originCommand struct {
	Options string `arg:"" help:"origin.Options as JSON."`
}

// Run implements the hidden role.
func (c *originCommand) Run() error {
	var opt origin.Options
	if err := json.Unmarshal([]byte(c.Options), &opt); err != nil {
		return fmt.Errorf("origin options: %w", err)
	}
	opt.Stop = int(os.Stdin.Fd())
	single()
	o, err := origin.New(opt)
	if err != nil {
		return err
	}
	defer o.Close()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]int{"port": o.Port()}); err != nil {
		return err
	}
	if err := o.Serve(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(o.Stats())
}

// loadCommand prints its result as one line of JSON. A run that failed as a whole
// prints what it has nevertheless: the errors by kind say why.
type loadCommand struct {
	Options string `arg:"" help:"load.Options as JSON."`
}

// Run implements the hidden role.
func (c *loadCommand) Run() error {
	var opt load.Options
	if err := json.Unmarshal([]byte(c.Options), &opt); err != nil {
		return fmt.Errorf("load options: %w", err)
	}
	single()
	result, err := load.Run(opt)
	if result != nil {
		if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
			return err
		}
	}
	return err
}

// single prepares a process whose one goroutine makes raw system calls: nothing
// else shall want the processor, and nobody shall interrupt it to collect.
func single() {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
}
