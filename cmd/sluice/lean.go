package main

import (
	"bufio"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// slim gives back the memory that only starting up has needed. Package initialisation
// walks through code, tables and fonts of which a proxy at rest needs few pages (the
// plotting library behind the verb bench has the most). They stay in the kernel's cache
// of the file, so one that is wanted again costs a minor fault. This takes a proxy that
// has just started from 17.9 to 6.6 MiB of resident memory. The heap is small then:
// collecting it too (debug.FreeOSMemory) adds 0.4, for what the collector needs itself.
//
// Errors change nothing but that number: where /proc is not mounted, or the kernel does
// not want to, the pages just stay.
func slim() {
	runtime.Gosched() // what has just been started starts before, not after
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer maps.Close()
	for _, m := range pristine(maps, exe) {
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, m.start, m.size, syscall.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ start, size uintptr }

// pristine finds the private mappings of a file, in the text of /proc/self/smaps, that
// cannot be written and have no page that differs from the file: only those can be
// dropped and read again. A relocated table or a debugger's breakpoint is such a page.
//
//	00400000-00f2e000 r-xp 00000000 fe:00 1203 /usr/bin/sluice
//	Anonymous:             0 kB
func pristine(smaps io.Reader, file string) (all []mapping) {
	var at mapping
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		line := lines.Text()
		if clean, found := strings.CutPrefix(line, "Anonymous:"); found && at.size > 0 && strings.TrimSpace(clean) == "0 kB" {
			all = append(all, at)
		}
		head := strings.Fields(line)
		if len(head) == 0 || strings.HasSuffix(head[0], ":") {
			continue // a number of the mapping before
		}
		at = mapping{}
		if len(head) < 6 || head[1] != "r-xp" && head[1] != "r--p" || !strings.HasSuffix(line, " "+file) {
			continue
		}
		from, to, _ := strings.Cut(head[0], "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		if err1 == nil && err2 == nil {
			at = mapping{uintptr(start), uintptr(end - start)}
		}
	}
	return all
}
