package main

import (
	"fmt"
	"runtime"
)

type versionCmd struct{}

// Run prints what this binary is.
func (versionCmd) Run() error {
	fmt.Printf("sluice %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
