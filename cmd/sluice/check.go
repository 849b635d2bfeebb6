package main

import (
	"fmt"
	"os"

	"sluice/configs"
	"sluice/engine"
)

type checkCmd struct {
	Config string `short:"c" default:"./sluice.yaml" help:"The configuration file." placeholder:"FILE"`
}

// Run reports everything that is wrong with a configuration: exit status 0 when nothing is, 1 otherwise.
func (v *checkCmd) Run() error {
	cfg, err := load(v.Config)
	if err != nil {
		return err
	}
	if err = engine.Check(cfg); err != nil {
		return err
	}
	fmt.Printf("%s is fine: %s, %s, %s\n", v.Config, count(len(cfg.Listeners), "listener"),
		count(len(cfg.Routes), "route"), count(len(cfg.Upstreams), "upstream"))
	return nil
}

// load reads a configuration and prints its warnings. One with mistakes is looked at as if it had none: the names of its
// servers are reported together with the rest.
func load(path string) (*configs.Config, error) {
	cfg, err := configs.Load(path, engine.Look)
	if err != nil {
		return nil, err
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(os.Stderr, "warning:", w)
	}
	return cfg, nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
