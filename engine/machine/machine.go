// Package machine finds out what the machine allows: loops, connections, memory. What is set to auto in the configuration comes
// from here.
package machine

import (
	"math"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sluice/configs"
	"sluice/pool"
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
	// largePipe and smallPipe are the sizes asked for pipes, with and without the privilege to pass the kernel's limit
	// of pipe pages per user. A pipe fills by slots, not bytes: socket data comes in pieces of one to eight pages, so
	// the default of 16 slots often holds less than 64 KiB. A bulk answer costs a third less through 256 slots.
	largePipe = 1 << 20
	smallPipe = 256 << 10
	// pipeMemoryShare is the part of the memory budget, in percent, that full pipes may pin in the kernel.
	pipeMemoryShare = 25
	// bufferMemoryShare is the part of the memory budget, in percent, that buffers may take before bodies are no longer
	// kept back (buffer.request, buffer.response) but passed on as they come.
	bufferMemoryShare = 50
	// spareDescriptors is kept free of connections and pipes: logs, listeners, the process itself.
	spareDescriptors = 64
	// FewConnections is where a small limit is more likely a mistake than a wish.
	FewConnections = 128
	// maxLoops bounds runtime.loops: auto.
	maxLoops = 256
)

// Loops is runtime.loops, or one for each core that this process may use. GOMAXPROCS already knows the cgroup.
func Loops(cfg *configs.Config) int {
	if cfg.Runtime.Loops > 0 {
		return cfg.Runtime.Loops
	}
	return min(runtime.GOMAXPROCS(0), maxLoops)
}

// Workers is runtime.workers, or as many as there are loops: when all the world connects anew, handshakes may have
// what the loops leave of each core, which is most of it. Without TLS there is nothing to do.
func Workers(cfg *configs.Config) int {
	switch {
	case !SpeaksTLS(cfg):
		return 0
	case cfg.Runtime.Workers > 0:
		return cfg.Runtime.Workers
	}
	return Loops(cfg)
}

// SpeaksTLS reports whether any connection of the loops has TLS; checks have none on loops.
func SpeaksTLS(cfg *configs.Config) bool {
	return slices.ContainsFunc(cfg.Listeners, func(l configs.Listener) bool { return l.TLS != nil }) ||
		slices.ContainsFunc(cfg.Upstreams, func(u configs.Upstream) bool { return u.TLS != nil })
}

// Connections is what max_connections: auto means, for all listeners that say so together.
func Connections(cfg *configs.Config) int64 {
	files := int64(descriptorLimit())
	byFiles := min(files*descriptorShare/100, files-ownDescriptors(cfg)) / 2
	byMemory := memoryBudget(cfg) / connectionMemory
	return max(min(byFiles, byMemory), 1)
}

// ownDescriptors is what the process itself may have open: a listener per loop and address, three for each loop, and
// the spare ones.
func ownDescriptors(cfg *configs.Config) int64 {
	each := 3
	for _, l := range cfg.Listeners {
		each += len(l.Bind)
	}
	return int64(Loops(cfg)*each + spareDescriptors)
}

// Pipes is the size of pipes, and how many there may be over all loops. They take only descriptors that connections leave free.
func Pipes(cfg *configs.Config) (size int, budget *pool.PipeBudget) {
	limits := pool.ReadPipeLimits()
	size = smallPipe
	if limits.Privileged {
		size = largePipe
	}
	free := int(int64(descriptorLimit()) - ownDescriptors(cfg) - 2*Connections(cfg))
	pinned := memoryBudget(cfg) / 100 * pipeMemoryShare / int64(size)
	most := max(0, min(limits.MaxPipes(size), free/2, int(min(pinned, 1<<20))))
	return size, pool.NewPipeBudget(most)
}

// AmpleBuffers is one loop's share of the memory that buffers may take before none is kept for comfort, in bytes.
func AmpleBuffers(cfg *configs.Config) int {
	return int(memoryBudget(cfg) / 100 * bufferMemoryShare / int64(Loops(cfg)))
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

// EphemeralPort is the lowest port that the kernel chooses by itself.
func EphemeralPort() uint16 {
	const usual = 32768
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return usual
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\t")
	port, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return usual
	}
	return uint16(port)
}

// availableMemory is the smaller of the machine's memory and the cgroup's limit.
func availableMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 1 << 30
	}
	total := int64(info.Totalram) * int64(info.Unit)
	return min(total, cgroupMemory("/proc/self/cgroup", "/sys/fs/cgroup"))
}

// cgroupMemory is the smallest limit on the way from the process's own cgroup (version 2) to the root. In a container
// the root is the container's own.
func cgroupMemory(membership, mount string) int64 {
	smallest := int64(math.MaxInt64)
	text, err := os.ReadFile(membership)
	if err != nil {
		return smallest
	}
	_, group, _ := strings.Cut(strings.TrimSpace(string(text)), "0::")
	for dir := path.Join(mount, group); ; dir = path.Dir(dir) {
		if text, err := os.ReadFile(path.Join(dir, "memory.max")); err == nil {
			if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
				smallest = min(smallest, limit)
			}
		}
		if dir == mount || len(dir) <= len(mount) {
			return smallest
		}
	}
}

// MakeRoom sees to it that there is a processor of the Go scheduler more than there are loops. The scheduler takes a
// processor away from whoever waits in a system call for more than 20 µs, unless another one is idle; a loop that
// waits for events would lose its own, and win it back, thousands of times a second. And what runs beside the loops
// (logs, collector) gets a place of its own. So does each worker: a loop that had to wait for one would wait for a whole
// handshake, while the kernel lets the one that has slept go first.
func MakeRoom(loops, workers int) {
	if runtime.GOMAXPROCS(0) <= loops+workers {
		runtime.GOMAXPROCS(loops + workers + 1)
	}
}

// BoundMemory tells the collector of the budget: it works harder near it instead of passing it.
func BoundMemory(cfg *configs.Config) { debug.SetMemoryLimit(memoryBudget(cfg)) }
