package meter

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"testing"
)

// TestTraceCounts lets a child make calls whose number is known: a shell reads byte by
// byte, so that it takes no more than its line.
func TestTraceCounts(t *testing.T) {
	child := exec.Command("sh", "-c", `while read line; do echo "$line"; done`)
	in, errIn := child.StdinPipe()
	out, errOut := child.StdoutPipe()
	if err := errors.Join(errIn, errOut, child.Start()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		_ = child.Wait()
	}()
	trace, err := StartTrace([]int{child.Process.Pid})
	if errors.Is(err, ErrNoTrace) {
		t.Skip("system calls cannot be counted here: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	const lines = 10
	echoed := bufio.NewReader(out)
	for range lines {
		if _, err := in.Write([]byte("abc\n")); err != nil {
			t.Fatal(err)
		}
		if line, err := echoed.ReadString('\n'); err != nil || line != "abc\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	counts, err := trace.Stop()
	if err != nil {
		t.Fatal(err)
	}
	// The write may be on its way back to the shell when strace lets go of it.
	reads, writes := counts.Calls["read"], counts.Calls["write"]
	if writes < lines-1 || writes > lines || reads < 4*lines-1 || reads > 4*lines+1 || counts.Total < reads+writes {
		t.Errorf("%+v for %d lines of four bytes", counts, lines)
	}
}

func TestTraceOfNobody(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	if trace, err := StartTrace([]int{gone.Process.Pid}); !errors.Is(err, ErrNoTrace) {
		t.Errorf("StartTrace of an ended process = %v, %v", trace, err)
	}
	t.Setenv("PATH", os.DevNull)
	if _, err := StartTrace([]int{os.Getpid()}); !errors.Is(err, ErrNoTrace) {
		t.Errorf("without strace: %v", err)
	}
}

func TestParseStrace(t *testing.T) {
	const rule = "------ ----------- ----------- --------- --------- ----------------\n"
	table := "% time     seconds  usecs/call     calls    errors syscall\n" + rule +
		" 60.00    0.000600           6       100        10 recvfrom\n" +
		" 40.00    0.000400           4       100           epoll_wait\n" + rule +
		"100.00    0.001000           5       200        10 total\n"
	got, err := parseStrace([]byte(table))
	if err != nil || got.Total != 200 || got.Failed != 10 || got.Calls["recvfrom"] != 100 || len(got.Calls) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := parseStrace(nil); err != nil || got.Total != 0 {
		t.Errorf("nothing called: %+v, %v", got, err)
	}
	for _, bad := range []string{"1 2 3", "1 2 3 x name", "1 2 3 4 x name"} {
		if _, err := parseStrace([]byte(rule + bad + "\n")); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
