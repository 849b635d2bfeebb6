package engine

// What the machine allows: loops, connections, memory.

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sluice/configs"
)

const (
	// connectionMemory is what one connection may cost at its worst on average: the structures of both sides and a
	// share of the buffers. max_connections: auto divides the memory budget by it.
	connectionMemory = 24 << 10
	// memoryShare is the part of the machine's or the cgroup's memory that runtime.memory: auto takes, in percent; the
	// kernel's socket buffers and everybody else get the rest.
	memoryShare = 50
	// descriptorShare is the part of the descriptor limit that connections may take, in percent; a connection takes two.
	descriptorShare = 90
	// pipeBytes is the size asked for each pipe. Socket data fills a pipe by slots, not bytes, and four times the
	// default number of slots means a quarter of the system calls of a bulk transfer.
	pipeBytes = 256 << 10
	// maxLoops bounds runtime.loops: auto.
	maxLoops = 256
)

// loopCount is runtime.loops, or one for each core that this process may use. GOMAXPROCS already knows the cgroup.
func loopCount(cfg *configs.Config) int {
	if cfg.Runtime.Loops > 0 {
		return cfg.Runtime.Loops
	}
	return min(runtime.GOMAXPROCS(0), maxLoops)
}

// maxConnections is what max_connections: auto means, for all listeners that say so together.
func maxConnections(cfg *configs.Config) int64 {
	byFiles := int64(descriptorLimit()) * descriptorShare / 100 / 2
	byMemory := memoryBudget(cfg) / connectionMemory
	return max(min(byFiles, byMemory), 1)
}

// descriptorLimit is how many descriptors this process may open. The Go runtime raises the soft limit to the hard one
// at start.
func descriptorLimit() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return min(limit.Cur, 1<<30)
}

// memoryBudget is runtime.memory in bytes.
func memoryBudget(cfg *configs.Config) int64 {
	if cfg.Runtime.Memory > 0 {
		return int64(cfg.Runtime.Memory)
	}
	return availableMemory() / 100 * memoryShare
}

// availableMemory is the smaller of the machine's memory and the cgroup's limit.
func availableMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 1 << 30
	}
	total := int64(info.Totalram) * int64(info.Unit)
	if text, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			total = min(total, limit)
		}
	}
	return total
}

// boundMemory tells the collector of the budget: it works harder near it instead of passing it.
func boundMemory(cfg *configs.Config) { debug.SetMemoryLimit(memoryBudget(cfg)) }
