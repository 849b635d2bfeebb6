package process

import (
	"bufio"
	"strings"
	"syscall"
	"testing"

	"sluice/bench/meter"
	"sluice/internal/assert"
)

func TestStartPinnedAndStopWithChildren(t *testing.T) {
	p, err := Start(Spec{Argv: []string{"sh", "-c", "grep Cpus_allowed_list /proc/self/status; sleep 60 & wait"}, CPU: 0}, true)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(p.Out).ReadString('\n')
	if err != nil || strings.Fields(line)[1] != "0" {
		t.Errorf("affinity of the child: %q, %v", line, err)
	}
	for len(meter.Tree(p.PID())) < 2 {
		// the shell is about to fork; the test's own deadline bounds this
	}
	family := meter.Tree(p.PID())
	p.Stop()
	if p.Err() == nil {
		t.Error("a program ended by a signal reports success")
	}
	for _, pid := range family {
		assert.Eventually(t, func() bool { // a killed process takes a moment to die
			group, err := syscall.Getpgid(pid)
			return err != nil || group != p.PID() || zombie(pid)
		})
	}
}

// zombie reports whether only the parent's wait is missing: a killed grandchild
// waits for init, which is not ours to hurry.
func zombie(pid int) bool {
	memory, _, err := meter.ReadMemory([]int{pid})
	return err != nil || memory == 0
}

// TestSignalAndLastWords: a program can be told something and heard while it runs.
func TestSignalAndLastWords(t *testing.T) {
	p, err := Start(Spec{Argv: []string{"sh", "-c", "trap 'echo heard >&2' USR1; echo ready; while :; do sleep 0.01; done"}, CPU: -1}, true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if _, err := bufio.NewReader(p.Out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	p.Signal(syscall.SIGUSR1) // who has been started by nohup cannot trap HUP
	assert.Eventually(t, func() bool { return p.LastWords() == "heard" })
}

func TestErrCarriesTheMessage(t *testing.T) {
	p, err := Start(Spec{Argv: []string{"sh", "-c", "echo broken config >&2; exit 3"}, CPU: -1}, false)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "broken config") {
		t.Errorf("Err() = %v", err)
	}
}
