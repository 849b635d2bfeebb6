package e2e

// What a request costs the kernel, counted by strace.

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"sluice/internal/assert"
)

// socketCalls are the calls on sockets that a proxy could make for a request.
const socketCalls = "%network,splice,ioctl,epoll_ctl"

// A keep-alive exchange is four calls on sockets: the request in and out, the answer in and out.
func TestHTTPCallsPerRequest(t *testing.T) {
	t.Parallel()
	strace := tool(t, "strace")
	const asked, most = 1000, 4.3
	p := command{plain: true, config: fmt.Sprintf(web, site(t, names("one")).address)}.run(t)
	b := p.browser()
	b.gets("/") // the connections are there before the count begins
	report := filepath.Join(p.dir, "calls")
	counting := exec.Command(strace, "-f", "-c", "-e", "trace="+socketCalls, "-o", report, "-p", strconv.Itoa(p.cmd.Process.Pid))
	said, err := counting.StderrPipe()
	assert.NoError(t, err)
	assert.NoError(t, counting.Start())
	if line, _ := bufio.NewReader(said).ReadString('\n'); !strings.Contains(line, "attached") {
		_ = counting.Wait()
		t.Skipf("strace may not attach here: %s", line)
	}
	for range asked {
		b.gets("/")
	}
	assert.NoError(t, counting.Process.Signal(syscall.SIGINT))
	_ = counting.Wait() // it ends by the signal
	if calls := sumOfCalls(t, report); float64(calls) > most*asked {
		t.Errorf("%d calls on sockets for %d requests, at most %.1f each are expected:\n%s", calls, asked, most, textOf(t, report))
	}
}

func textOf(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	assert.NoError(t, err)
	return string(content)
}

// sumOfCalls adds up the calls of a report, whose lines end in the call's name and have their count in the fourth column.
func sumOfCalls(t testing.TB, report string) (calls int) {
	t.Helper()
	for line := range strings.Lines(textOf(t, report)) {
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[len(fields)-1] == "total" {
			continue
		}
		if n, err := strconv.Atoi(fields[3]); err == nil {
			calls += n
		}
	}
	if calls == 0 {
		t.Fatalf("no calls in the report:\n%s", textOf(t, report))
	}
	return calls
}
