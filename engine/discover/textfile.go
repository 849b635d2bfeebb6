package discover

// Small files that are read again when they have changed.

import (
	"fmt"
	"io"
	"os"

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

// A textFile is a file and its stamp when it was read last.
type textFile struct {
	path string
	max  int64 // bytes
	last stamp
}

// fresh returns the text if it has changed since the last call. A file that cannot be read has changed, each time.
func (f *textFile) fresh() (text string, changed bool, err error) {
	now, err := stampOf(f.path) // before reading: a change in between is seen by the next call
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

// read returns the whole text.
func (f *textFile) read() (string, error) {
	file, err := os.OpenFile(f.path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a named pipe must not hang, ordinary files do not care
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", f.path)
	}
	text, err := io.ReadAll(io.LimitReader(file, f.max+1))
	if err != nil {
		return "", err
	}
	if int64(len(text)) > f.max {
		return "", fmt.Errorf("%s is larger than %d KiB", f.path, f.max>>10)
	}
	return string(text), nil
}
