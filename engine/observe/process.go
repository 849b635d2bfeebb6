package observe

// What the process takes from the machine, under the names that dashboards for any program know.

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"

	"golang.org/x/sys/unix"

	"sluice/engine/stat"
)

// process is the cost of running.
type process struct {
	cpu        float64 // seconds, user and system
	resident   uint64  // bytes
	open, max  uint64  // file descriptors
	goroutines int
	heap       uint64 // bytes in objects
	gc         debug.GCStats
}

// readProcess asks the kernel and the runtime; none of that stops the world. What cannot be read is 0.
func readProcess() process {
	p := process{goroutines: runtime.NumGoroutine(), resident: residentMemory(), open: openFiles()}
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) == nil {
		p.cpu = float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) == nil {
		p.max = limit.Cur
	}
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() == metrics.KindUint64 {
		p.heap = sample[0].Value.Uint64()
	}
	debug.ReadGCStats(&p.gc)
	return p
}

// residentMemory is the second field of statm, in pages (proc_pid_statm(5)).
func residentMemory() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	fields := bytes.Fields(text)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(string(fields[1]), 10, 64)
	return pages * uint64(os.Getpagesize())
}

// openFiles counts descriptors. Since Linux 6.2 the size of the folder is their number; before that it is 0, and the
// folder has to be read, in pieces because it can have a hundred thousand entries.
func openFiles() uint64 {
	folder, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	defer folder.Close()
	if info, err := folder.Stat(); err == nil && info.Size() > 0 {
		return uint64(info.Size()) - 1 // without the folder's own
	}
	const piece = 1024
	var n uint64
	for {
		names, err := folder.Readdirnames(piece)
		n += uint64(len(names))
		if err != nil || len(names) == 0 {
			return max(n, 1) - 1
		}
	}
}

// process adds p.
func (e *exposition) process(p process) {
	for _, m := range []struct {
		name  string
		kind  stat.Kind
		help  string
		value float64
	}{
		{"process_cpu_seconds_total", stat.Counter, "Processor time of the process, user and system, in seconds.", p.cpu},
		{"process_resident_memory_bytes", stat.Gauge, "Memory of the process that is in RAM.", float64(p.resident)},
		{"process_open_fds", stat.Gauge, "File descriptors open now.", float64(p.open)},
		{"process_max_fds", stat.Gauge, "Most file descriptors the process may have.", float64(p.max)},
		{"go_goroutines", stat.Gauge, "Goroutines now.", float64(p.goroutines)},
		{"go_heap_objects_bytes", stat.Gauge, "Memory in objects of Go's heap, dead ones that are not swept yet included.", float64(p.heap)},
		{"go_gc_cycles_total", stat.Counter, "Garbage collections.", float64(p.gc.NumGC)},
		{"go_gc_pause_seconds_total", stat.Counter, "How long garbage collections have stopped everything, in seconds.", p.gc.PauseTotal.Seconds()},
	} {
		e.family(m.name, m.kind, m.help)
		e.value(m.name, "", m.value)
	}
}
