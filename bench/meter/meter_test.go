package meter

import (
	"bufio"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// TestCPUOfABusyChild lets a child burn and checks its account against the wall
// clock and against what the kernel reports when the child is reaped.
func TestCPUOfABusyChild(t *testing.T) {
	child := exec.Command("sh", "-c", "echo go; while :; do :; done")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	pids := []int{child.Process.Pid}
	began := time.Now() // whoever reads may be held up between a clock and the other
	first, err := Full(pids)
	if err != nil {
		t.Fatal(err)
	}
	const burn = 50 * time.Millisecond
	last := first
	for deadline := time.Now().Add(20 * time.Second); last.CPU.Sub(first.CPU).Total < burn; {
		if last, err = Quick(pids); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("the busy child used %v only", last.CPU.Sub(first.CPU).Total)
		}
	}
	used, wall := last.CPU.Sub(first.CPU).Total, last.At.Sub(began)
	if used > wall+5*time.Millisecond {
		t.Errorf("one thread used %v in %v", used, wall)
	}
	if first.Memory <= 0 {
		t.Errorf("memory of a running child = %d", first.Memory)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	state := child.ProcessState
	if reaped := state.UserTime() + state.SystemTime(); reaped < last.CPU.Total-20*time.Millisecond {
		t.Errorf("the clock said %v, the kernel's final account %v", last.CPU.Total, reaped)
	}
	if _, err := ReadCPU(pids); err == nil {
		t.Error("reading an ended process is not an error")
	}
}

func TestTreeFindsChildren(t *testing.T) {
	parent := exec.Command("sh", "-c", "sleep 60 & echo $!; wait")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	tree := Tree(parent.Process.Pid)
	for _, pid := range tree {
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill()
		}
	}
	_ = parent.Wait()
	if len(tree) != 2 || tree[0] != parent.Process.Pid {
		t.Errorf("tree = %v, want the shell and its child %s", tree, line)
	}
	if slices.Contains(Tree(os.Getpid()), parent.Process.Pid) {
		t.Error("a reaped child is still in the tree")
	}
}

func TestParseTicks(t *testing.T) {
	line := "42 (a) b (c)) S 1 1 1 0 -1 0 0 0 0 0 7 3 0 0 20 0 1 0 0"
	user, system, err := parseTicks([]byte(line))
	if err != nil || user != 70*time.Millisecond || system != 30*time.Millisecond {
		t.Errorf("parseTicks = %v, %v, %v", user, system, err)
	}
	if _, _, err := parseTicks([]byte("42 (x) S 1")); err == nil {
		t.Error("a short line is accepted")
	}
}

func TestMachine(t *testing.T) {
	m, err := parseMachine([]byte("cpu  10 1 5 1000 77 2 3 4 9 9\ncpu0 1 1 1 1 1 1 1 1\ncpu1 1 1 1 1 1 1 1 1\nintr 1\n"))
	if err != nil || m.Busy != 250*time.Millisecond || m.Cores != 2 {
		t.Errorf("parseMachine = %+v, %v, want 25 ticks of 2 cores", m, err)
	}
	later := Machine{Busy: m.Busy + 600*time.Millisecond, Cores: 2}
	if got := OthersShare(m, later, 200*time.Millisecond, time.Second); got < 19.9 || got > 20.1 {
		t.Errorf("OthersShare = %v, want 20 %%", got)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "cpu a b c d e f g h\ncpu0 1 1 1 1 1 1 1 1"} {
		if _, err := parseMachine([]byte(bad)); err == nil {
			t.Errorf("parseMachine(%q) succeeds", bad)
		}
	}
}
