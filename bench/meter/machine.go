package meter

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Machine is one look at all cores together.
type Machine struct {
	// Busy is the time since boot that was spent on anything but idling or waiting
	// for a disk, and what a hypervisor took away, at clock-tick resolution.
	Busy  time.Duration
	Cores int
}

// ReadMachine looks at the whole machine. It counts the cores itself: the Go
// runtime of a pinned process knows only of those it may use.
func ReadMachine() (Machine, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Machine{}, err
	}
	return parseMachine(text)
}

// parseMachine adds up the first line of proc_stat(5): user, nice, system, (idle,
// iowait,) irq, softirq, steal; guest time is part of user already.
func parseMachine(text []byte) (m Machine, err error) {
	const label, idle, iowait, last = 0, 4, 5, 8
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) <= last || !bytes.HasPrefix(fields[label], []byte("cpu")) {
			break
		}
		if len(fields[label]) > len("cpu") {
			m.Cores++
			continue
		}
		for i := label + 1; i <= last; i++ {
			n, err := strconv.ParseInt(string(fields[i]), 10, 64)
			if err != nil {
				return Machine{}, fmt.Errorf("cpu line: %w", err)
			}
			if i != idle && i != iowait {
				m.Busy += time.Duration(n) * tick
			}
		}
	}
	if m.Cores == 0 {
		return Machine{}, fmt.Errorf("no cpu lines")
	}
	return m, nil
}

// OthersShare is the part of the machine, in percent, that was busy for somebody
// else between two looks: not for us, who used so much processor time in a window
// so long. Ticks make it rough in windows below a second.
func OthersShare(first, last Machine, ours, window time.Duration) float64 {
	if window <= 0 {
		return 0
	}
	others := last.Busy - first.Busy - ours
	return max(0, 100*float64(others)/float64(window)/float64(last.Cores))
}
