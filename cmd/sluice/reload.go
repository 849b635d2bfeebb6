package main

import (
	"fmt"
	"os"
	"strings"

	"sluice/engine/observe"
)

type reloadCmd struct {
	Config string `short:"c" default:"./sluice.yaml" help:"The configuration file of the proxy." placeholder:"FILE"`
}

// Run has the proxy that runs the file read it again. It fails, with everything that is wrong, when that is refused, and
// when there is no such proxy.
func (v *reloadCmd) Run() error {
	client, err := observe.Dial(v.Config)
	if err != nil {
		return err
	}
	done, err := client.Reload()
	if err != nil {
		return err
	}
	for _, w := range done.Warnings {
		fmt.Fprintln(os.Stderr, "warning:", w)
	}
	if len(done.Fixed) > 0 {
		fmt.Fprintf(os.Stderr, "warning: a restart is needed for %s: until then the old values hold\n", strings.Join(done.Fixed, ", "))
	}
	changes := strings.Join(done.Changes, "; ")
	if changes == "" {
		changes = "nothing has changed"
	}
	fmt.Printf("configuration %d: %s\n", done.Generation, changes)
	return nil
}
