package meter

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// ReadMemory sums the proportional resident memory of the given processes, in
// bytes. Proportional (Pss) means that a page shared by a master and its worker
// counts once, so the sum over a process tree is what the tree really holds.
// Memory the kernel spends on sockets is not part of it. Files is the part of it that
// are pages of files: the program itself and its libraries, which connections do not
// need more of.
func ReadMemory(pids []int) (all, files int64, err error) {
	for _, pid := range pids {
		text, err := os.ReadFile(procPath(pid, "smaps_rollup"))
		if err != nil {
			return 0, 0, err
		}
		for label, sum := range map[string]*int64{"Pss:": &all, "Pss_File:": &files} {
			kib, err := field(text, label)
			if err != nil {
				return 0, 0, fmt.Errorf("process %d: %w", pid, err)
			}
			*sum += kib << 10
		}
	}
	return all, files, nil
}

// ReadWakes sums how often the threads of the given processes have gone to
// sleep and been woken again (voluntary context switches). Threads that ended
// take their count with them, so it fits windows in which nothing happens.
func ReadWakes(pids []int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		paths, err := filepath.Glob(procPath(pid, "task/*/status"))
		if err != nil {
			return 0, err
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				continue // the thread ended between listing and reading
			}
			n, err := field(text, "voluntary_ctxt_switches:")
			if err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			sum += n
		}
	}
	return sum, nil
}

// Tree returns a process and all its descendants: a proxy's time and memory are
// those of its master and its worker together.
func Tree(pid int) []int {
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		paths, err := filepath.Glob(procPath(pids[i], "task/*/children"))
		if err != nil {
			continue
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				continue // the thread ended between listing and reading
			}
			for _, word := range bytes.Fields(text) {
				if child, err := strconv.Atoi(string(word)); err == nil {
					pids = append(pids, child)
				}
			}
		}
	}
	return pids
}

// field returns the number that follows a label at the start of a line.
func field(text []byte, label string) (int64, error) {
	for line := range bytes.Lines(text) {
		rest, found := bytes.CutPrefix(line, []byte(label))
		if !found {
			continue
		}
		words := bytes.Fields(rest)
		if len(words) == 0 {
			break
		}
		return strconv.ParseInt(string(words[0]), 10, 64)
	}
	return 0, fmt.Errorf("no line %q", label)
}
