// Package watch hears of changed files, and reads them again.
//
// A Notifier waits until one of its files may have changed: the kernel says so (inotify(7)), or it is time for a look. A File
// (file.go) is read when it looks different, and Settle waits until files have stopped changing:
//
//	for news := watch.NewNotifier(paths...); ctx.Err() == nil; news.Wait(ctx, news.Every()) {
//		news.Follow()
//		watch.Settle(ctx, files...)
//		... files[0].Fresh() ...
//	}
package watch

// Hearing of a changed file from the kernel.
//
// Watched are directories, not files: an editor that saves by renaming, and a deployment that swaps a symlink, put another
// file in the place of the one a watch would be on. A symlink on the way counts as much as the file itself:
//
//	/etc/app/servers.yaml → ..data/servers.yaml     watched: servers.yaml in /etc/app
//	/etc/app/..data       → ..2026_10_31            watched: ..data in /etc/app (the one Kubernetes swaps)
//	/etc/app/..2026_10_31/servers.yaml              watched: servers.yaml in there
//
// Where there is no inotify, or no watch left (fs.inotify.max_user_watches), files are polled.

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// PollEvery is how often a file is looked at where nobody tells of changes. pollSlowly is the net below inotify, which is
	// silent about changes made by other machines on a network file system.
	PollEvery  = 5 * time.Second
	pollSlowly = 30 * time.Second
	// settleFor is how long a changed file must stay as it is before it is read, and settleMax how long that is waited for.
	settleFor = 50 * time.Millisecond
	settleMax = time.Second
	// changes are the events asked for. Bytes written are none: who writes closes.
	changes = unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_CREATE | unix.IN_DELETE |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	// linkMax bounds a chain of symlinks, as the kernel does.
	linkMax = 40
	// eventsSize is room for a batch of events; what does not fit comes with the next read.
	eventsSize = 4096
)

// past is a deadline that is over.
var past = time.Unix(1, 0)

// A place is a name in a directory.
type place struct{ dir, name string }

// A Notifier waits for changes of what paths lead to. It belongs to one goroutine.
type Notifier struct {
	paths   []string
	file    *os.File // nil where there is no inotify
	fd      int
	watched map[int32]map[string]bool // by watch descriptor: the names that matter
	whole   bool                      // Every place is watched
}

// NewNotifier watches nothing yet. The owner closes it.
func NewNotifier(paths ...string) *Notifier {
	n := &Notifier{paths: paths}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err == nil {
		n.fd, n.file = fd, os.NewFile(uintptr(fd), "inotify")
	}
	return n
}

// Follow watches the places that matter now. It comes before the files are read: a change after that is a change to hear of.
func (n *Notifier) Follow() {
	if n.file == nil {
		return
	}
	old := n.watched
	n.watched, n.whole = make(map[int32]map[string]bool), true
	for _, p := range n.places() {
		wd, err := unix.InotifyAddWatch(n.fd, p.dir, changes) // the same number for a directory that is watched already
		if err != nil {
			n.whole = false
			continue
		}
		if n.watched[int32(wd)] == nil {
			n.watched[int32(wd)] = make(map[string]bool)
		}
		n.watched[int32(wd)][p.name] = true
	}
	for wd := range old {
		if n.watched[wd] == nil {
			unix.InotifyRmWatch(n.fd, uint32(wd)) // fails if the directory is gone, which does as well
		}
	}
}

// Every is how often to look without having heard anything.
func (n *Notifier) Every() time.Duration {
	if n.whole {
		return pollSlowly
	}
	return PollEvery
}

// Wait returns after d, at a change, or when ctx is done.
func (n *Notifier) Wait(ctx context.Context, d time.Duration) {
	if n.file == nil {
		sleep(ctx, d)
		return
	}
	until, file := time.Now().Add(d), n.file
	stop := context.AfterFunc(ctx, func() { file.SetReadDeadline(past) })
	defer stop()
	err := file.SetReadDeadline(until)
	if ctx.Err() != nil {
		return // what the other goroutine has set may have been overwritten
	}
	var buffer [eventsSize]byte
	for err == nil {
		var size int
		if size, err = file.Read(buffer[:]); err == nil && n.matters(buffer[:size]) {
			return
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		n.Close() // not to be had after all: polling is
		sleep(ctx, time.Until(until))
	}
}

// matters reports whether one of the events is about a watched name.
func (n *Notifier) matters(events []byte) (yes bool) {
	for len(events) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(events[0:]))
		mask := binary.NativeEndian.Uint32(events[4:])
		size := int(binary.NativeEndian.Uint32(events[12:]))
		events = events[unix.SizeofInotifyEvent:]
		name := strings.TrimRight(string(events[:size]), "\x00")
		events = events[size:]

		names, ours := n.watched[wd]
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0:
			yes = true // events were lost
		case ours && name == "":
			yes = true // the directory itself has moved or is gone
		case ours && names[name]:
			yes = yes || mask&unix.IN_CREATE == 0 || n.arrivedWhole(name)
		}
	}
	return yes
}

// arrivedWhole reports whether a name that has just appeared is more than a new file: that one is still being written, half a
// list may look like a list, and there will be an IN_CLOSE_WRITE. Links and directories are whole at once.
func (n *Notifier) arrivedWhole(name string) bool {
	for _, p := range n.places() {
		var s unix.Stat_t
		if p.name == name && unix.Lstat(filepath.Join(p.dir, p.name), &s) == nil && s.Mode&unix.S_IFMT == unix.S_IFREG && s.Nlink == 1 {
			return false
		}
	}
	return true
}

// Close gives the watches back.
func (n *Notifier) Close() {
	if n.file != nil {
		n.file.Close()
		n.file, n.whole = nil, false
	}
}

// places returns where a change can put another file under one of the paths.
func (n *Notifier) places() (list []place) {
	for _, path := range n.paths {
		list = append(list, places(path)...)
	}
	return list
}

// places returns where a change can put another file under path: the directory and name of each symlink on the way, and those of
// the file. If something on the way is missing, it is the last place.
func places(path string) (list []place) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	dir, rest := "/", strings.Split(path, "/")
	for links := 0; len(rest) > 0 && links <= linkMax; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			dir = filepath.Dir(dir) // dir has no symlinks
			continue
		}
		full := filepath.Join(dir, name)
		info, err := os.Lstat(full)
		if err != nil || len(rest) == 0 && info.Mode()&os.ModeSymlink == 0 {
			return append(list, place{dir, name})
		}
		if info.Mode()&os.ModeSymlink == 0 {
			dir = full
			continue
		}
		links++
		list = append(list, place{dir, name})
		target, err := os.Readlink(full)
		if err != nil {
			return list
		}
		if filepath.IsAbs(target) {
			dir = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return list
}
