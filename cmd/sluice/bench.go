package main

import "sluice/bench/cli"

// benchCmd measures this binary beside other proxies. All of it is in bench/cli, which
// starts this executable again as origin and as load generator.
type benchCmd = cli.Commands
