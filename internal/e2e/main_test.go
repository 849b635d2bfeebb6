// Package e2e starts the real binary with real configuration files and talks to it over real sockets, with Go's
// clients, curl, wrk, slowhttptest, openssl, nginx, HAProxy and socat. It knows nothing of the code: what a user can
// see is what counts.
//
//	o := station(t)                                    // an origin whose every word the test says
//	p := run(t, simple, o.address())                   // the binary, behind a free port
//	client, server := p.dial(1), o.accept()
//	client.says("question"); server.hears("question")
//	client.fin();            server.hearsEnd()
//	p.ends("client_reset")                             // the access log tells why it was over
//
// Each file is an area. A test whose program is not installed skips and says so; .ci/run installs them all. When the
// tests are built with the race detector so is the binary, and a race in it fails the test that met it. Tests that
// measure memory or processor time use a binary without.
package e2e

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sluice/internal/assert"
)

// workshop is where the binaries are; it is removed at the end.
var workshop string

func TestMain(m *testing.M) {
	os.Exit(setUp(m))
}

func setUp(m *testing.M) int {
	flag.Parse()
	if set := flag.Lookup("test.parallel"); set.Value.String() == set.DefValue {
		// Most tests wait for a deadline most of the time; one for each core would be too few.
		_ = set.Value.Set("8")
	}
	var err error
	if workshop, err = os.MkdirTemp("", "sluice-e2e-"); err == nil {
		defer os.RemoveAll(workshop)
		_, err = product()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// product is what users get, with the race detector in it when the tests have it too.
var product = sync.OnceValues(func() (string, error) {
	if !assert.RaceEnabled {
		return plain()
	}
	return build("sluice-race", "CGO_ENABLED=1", "-race")
})

// plain is exactly what users get: the one to measure.
var plain = sync.OnceValues(func() (string, error) { return build("sluice", "CGO_ENABLED=0") })

func build(name, env string, flags ...string) (string, error) {
	path := filepath.Join(workshop, name)
	args := append([]string{"build", "-buildvcs=false", "-o", path}, flags...)
	cmd := exec.Command("go", append(args, "sluice/cmd/sluice")...)
	cmd.Env = append(os.Environ(), env)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return path, nil
}

// tool finds a program that a test talks to, or skips the test with the reason.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed; bash .ci/run installs it", name)
	}
	return path
}

// needsIPv6 skips the test on a machine without it.
func needsIPv6(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	}
	assert.NoError(t, l.Close())
}
