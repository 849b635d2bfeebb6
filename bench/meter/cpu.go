// Package meter reads from the kernel what a process has used: processor time,
// resident memory, wake-ups. It asks about other processes and changes nothing
// in them.
//
// Processor time comes from the process CPU clock (clock_getcpuclockid(3)),
// which counts nanoseconds over all threads, those that have ended included.
// The split into user and system is known only by clock ticks (/proc/PID/stat),
// so it is a proportion, not a second measurement.
package meter

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of utime and stime in /proc/PID/stat: Linux fixes the value
// user space sees (USER_HZ) at 100 per second on every architecture Go runs on.
const tick = 10 * time.Millisecond

// CPU is processor time used.
type CPU struct {
	// Total is exact to the nanosecond.
	Total time.Duration `json:"total_ns"`
	// User and System come from clock ticks of 10 ms: only their proportion
	// over a long window means something.
	User   time.Duration `json:"user_ticks_ns"`
	System time.Duration `json:"system_ticks_ns"`
}

// Sub returns what was used between an earlier reading and this one.
func (c CPU) Sub(earlier CPU) CPU {
	return CPU{c.Total - earlier.Total, c.User - earlier.User, c.System - earlier.System}
}

func (c *CPU) add(other CPU) {
	c.Total += other.Total
	c.User += other.User
	c.System += other.System
}

// ReadCPU sums the processor time of the given processes. A process that has
// ended is an error: its time would be missing without a trace.
func ReadCPU(pids []int) (CPU, error) {
	var sum CPU
	for _, pid := range pids {
		one, err := readOne(pid)
		if err != nil {
			return CPU{}, err
		}
		sum.add(one)
	}
	return sum, nil
}

func readOne(pid int) (CPU, error) {
	// The clock id of a process is its complemented pid above three bits that
	// say "whole process, scheduler time" (include/linux/posix-timers.h).
	const schedulerTime = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|schedulerTime, &ts); err != nil {
		return CPU{}, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	stat, err := os.ReadFile(procPath(pid, "stat"))
	if err != nil {
		return CPU{}, err
	}
	user, system, err := parseTicks(stat)
	return CPU{Total: time.Duration(ts.Nano()), User: user, System: system}, err
}

// parseTicks takes fields 14 and 15 of proc_pid_stat(5). The second field, the
// command in parentheses, may hold blanks and parentheses itself, so counting
// starts after the last one.
func parseTicks(stat []byte) (user, system time.Duration, err error) {
	const userField, systemField = 14 - 3, 15 - 3
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= systemField {
		return 0, 0, fmt.Errorf("stat line of %d fields is too short", len(fields))
	}
	u, errUser := strconv.ParseInt(string(fields[userField]), 10, 64)
	s, errSystem := strconv.ParseInt(string(fields[systemField]), 10, 64)
	if errUser != nil || errSystem != nil {
		return 0, 0, fmt.Errorf("stat line without times: %q", stat)
	}
	return time.Duration(u) * tick, time.Duration(s) * tick, nil
}

func procPath(pid int, name string) string {
	return "/proc/" + strconv.Itoa(pid) + "/" + name
}
