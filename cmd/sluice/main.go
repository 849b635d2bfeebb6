// Command sluice is a reverse proxy and load balancer: one static binary, one file a verb.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the linker.
var version = "devel"

// verbs is the command line.
type verbs struct {
	Run     runCmd     `cmd:"" help:"Run a configuration in the foreground."`
	Check   checkCmd   `cmd:"" help:"Check a configuration and report everything that is wrong with it."`
	Proxy   proxyCmd   `cmd:"" help:"Proxy one address to others, without a file."`
	Demo    demoCmd    `cmd:"" help:"Start two small origins and a proxy in front of them, to try things out."`
	Reload  reloadCmd  `cmd:"" help:"Have a running proxy take its changed configuration, without losing a connection."`
	Status  statusCmd  `cmd:"" help:"Show what a running proxy is doing."`
	Bench   benchCmd   `cmd:"" help:"Measure this proxy beside nginx, HAProxy and others, on this machine."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

func main() {
	// A reader of stdout that goes away is an error of a write, not the end of the proxy.
	signal.Ignore(syscall.SIGPIPE)
	var v verbs
	parser := kong.Must(&v, kong.Name("sluice"), kong.UsageOnError(),
		kong.Description("A reverse proxy and load balancer for Linux."))
	ctx, err := parser.Parse(os.Args[1:])
	parser.FatalIfErrorf(err)
	if err := ctx.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
