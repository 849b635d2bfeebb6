package watch

// Small files that are read again when they have changed.

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A stamp changes with a file. It follows symlinks, so that pointing one elsewhere is a change, too. The zero stamp is that of
// no file.
type stamp struct {
	device, inode   uint64
	size            int64
	changed, status unix.Timespec
}

// stampOf returns the stamp of the file at path.
func stampOf(path string) (stamp, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return stamp{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return stamp{device: uint64(s.Dev), inode: s.Ino, size: s.Size, changed: s.Mtim, status: s.Ctim}, nil
}

// A File is a text of at most Max bytes, and what it looked like when it was read last. It belongs to one goroutine.
type File struct {
	Path string
	Max  int64
	last stamp
}

// Fresh returns the text if it has changed since the last call. A file that cannot be read has changed, each time.
func (f *File) Fresh() (text string, changed bool, err error) {
	now, err := stampOf(f.Path) // before reading: a change in between is seen by the next call
	if err == nil && now == f.last {
		return "", false, nil
	}
	if err == nil {
		text, err = f.read()
	}
	if err != nil {
		now = stamp{}
	}
	f.last = now
	return text, true, err
}

// Forget makes the next Fresh read the file, changed or not.
func (f *File) Forget() { f.last = stamp{} }

// read returns the whole text.
func (f *File) read() (string, error) {
	file, err := os.OpenFile(f.Path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a named pipe must not hang, ordinary files do not care
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", f.Path)
	}
	text, err := io.ReadAll(io.LimitReader(file, f.Max+1))
	if err != nil {
		return "", err
	}
	if int64(len(text)) > f.Max {
		return "", fmt.Errorf("%s is larger than %d KiB", f.Path, f.Max>>10)
	}
	return string(text), nil
}

// Settle waits while any of files is changing, for a second at most; without a change since they were read it returns at once.
// What shows half of a change otherwise: a copy that takes its time, an editor between deleting and creating, a certificate
// whose key is still on its way, a poll in the middle of any of these.
func Settle(ctx context.Context, files ...*File) {
	last := stamps(files)
	if !slices.ContainsFunc(files, func(f *File) bool { now, _ := stampOf(f.Path); return now != f.last }) {
		return
	}
	for waited := time.Duration(0); waited < settleMax && ctx.Err() == nil; waited += settleFor {
		sleep(ctx, settleFor)
		now := stamps(files)
		if slices.Equal(now, last) {
			return
		}
		last = now
	}
}

// stamps returns what files look like now.
func stamps(files []*File) []stamp {
	list := make([]stamp, len(files))
	for i, f := range files {
		list[i], _ = stampOf(f.Path)
	}
	return list
}

// sleep waits for d, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
