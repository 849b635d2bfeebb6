// Command run measures sluice beside nginx and HAProxy and writes what it found.
//
// It is one program in three roles, because the load generator and the stub
// origin must be processes of their own to be pinned and accounted for: the
// harness starts this same executable again as `run origin` and `run load`.
//
//	go run ./bench/run                     # everything, writes BENCHMARKS.md
//	go run ./bench/run -only http-small    # one, prints
//	go run ./bench/run -only http -quick -base FILE    # all of HTTP, beside another sluice
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/alecthomas/kong"

	"sluice/bench/load"
	"sluice/bench/origin"
)

type commands struct {
	Bench  benchCommand  `cmd:"" default:"withargs" help:"Run the scenarios and write the report (the default)."`
	Origin originCommand `cmd:"" hidden:"" help:"The stub origin; started by the harness."`
	Load   loadCommand   `cmd:"" hidden:"" help:"The load generator; started by the harness."`
}

func main() {
	var c commands
	parser := kong.Must(&c, kong.Name("run"),
		kong.Description("Measures sluice beside nginx and HAProxy: processor time of the proxy per unit of work, paired rounds."))
	k, err := parser.Parse(twoDashes(os.Args[1:]))
	parser.FatalIfErrorf(err)
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// twoDashes lets -name stand for --name, as Go's own tools do: no flag here has a
// single letter but -h.
func twoDashes(args []string) []string {
	full := slices.Clone(args)
	for i, arg := range full {
		if len(arg) > 2 && arg[0] == '-' && arg[1] != '-' {
			full[i] = "-" + arg
		}
	}
	return full
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
