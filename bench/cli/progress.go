package cli

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sluice/bench/harness"
)

// progress says what is going on: on a terminal one line that changes, with how much
// time is left, and lines that stay for what went wrong; elsewhere a line a step.
type progress struct {
	out      *os.File
	start    time.Time
	terminal bool
}

func newProgress(out *os.File, start time.Time) *progress {
	_, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS)
	return &progress{out: out, start: start, terminal: err == nil}
}

const (
	clear        = "\r\x1b[K"
	defaultWidth = 80
)

// say prints a line that stays.
func (p *progress) say(format string, args ...any) {
	if p.terminal {
		fmt.Fprint(p.out, clear)
	}
	fmt.Fprintf(p.out, "%6s  %s\n", p.elapsed(), fmt.Sprintf(format, args...))
}

// step shows what has been done.
func (p *progress) step(s harness.Step) {
	if !p.terminal || s.Trouble {
		p.say("%s", s)
	}
	if p.terminal {
		line := []rune(fmt.Sprintf("%6s  about %s left  %s", p.elapsed(), s.Left.Round(time.Second), s))
		fmt.Fprint(p.out, clear+string(line[:min(len(line), p.width()-1)]))
	}
}

// close leaves the line that changes.
func (p *progress) close() {
	if p.terminal {
		fmt.Fprint(p.out, clear)
	}
}

func (p *progress) elapsed() time.Duration { return time.Since(p.start).Round(time.Second) }

func (p *progress) width() int {
	size, err := unix.IoctlGetWinsize(int(p.out.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return defaultWidth
	}
	return int(size.Col)
}
