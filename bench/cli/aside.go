package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"sluice/bench/rivals"
)

// If the proxy under test were the very file that plays harness, origin and generator,
// its program's memory would be shared among all of them, and the proxy seem smaller
// than it is. So the tools step aside: this process goes on as a copy of its file, and
// the proxy has the file for itself.

const (
	// original tells the copy what it is a copy of.
	original = "SLUICE_BENCH_COPY_OF"
	// asideFolder begins the name of the folder in which the copy lies.
	asideFolder = "bench-aside-"
)

// stepAside chooses the sluice to measure, which is this one unless another was named.
// It does not return where a copy takes over; the copy is to be removed in the end.
func (c *runCommand) stepAside() (remove func(), err error) {
	remove = func() {}
	self, err := os.Executable()
	if err != nil {
		return remove, err
	}
	if first := os.Getenv(original); first != "" {
		if c.Sluice == "" {
			c.Sluice = first
		}
		if folder := filepath.Dir(self); strings.HasPrefix(filepath.Base(folder), asideFolder) {
			remove = func() { os.RemoveAll(folder) }
		}
		return remove, os.Unsetenv(original)
	}
	if c.Sluice == "" {
		c.Sluice = self
	}
	ours, err := os.Stat(self)
	if err != nil {
		return remove, err
	}
	if chosen, err := os.Stat(c.Sluice); err != nil || !os.SameFile(ours, chosen) {
		return remove, nil // one that is missing will say so
	}
	return remove, becomeCopy(self)
}

// becomeCopy replaces this process by one of a copy of its file, with the same
// arguments. It returns only if that fails.
func becomeCopy(self string) error {
	folder, err := os.MkdirTemp("", asideFolder)
	if err != nil {
		return err
	}
	other := filepath.Join(folder, rivals.Sluice)
	program, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(other, program, 0o700)
	}
	if err == nil {
		err = syscall.Exec(other, os.Args, append(os.Environ(), original+"="+self))
	}
	os.RemoveAll(folder)
	return fmt.Errorf("a copy of this program cannot take over: %w", err)
}
