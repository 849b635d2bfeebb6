package watch

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/assert"
)

// patience is only ever spent by a test that fails.
const patience = 10 * time.Second

// write replaces a text the way a shell does: truncated, written, closed.
func write(t *testing.T, path, text string) {
	t.Helper()
	assert.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// A file in the making is not half a list.
func TestNewFileIsReadWhenClosed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "servers")
	n := NewNotifier(path)
	defer n.Close()
	if n.file == nil {
		t.Skip("this system has no inotify")
	}
	n.Follow()
	heard := func(d time.Duration) bool {
		begun := time.Now()
		n.Wait(t.Context(), d)
		return time.Since(begun) < d
	}
	file, err := os.Create(path)
	assert.NoError(t, err)
	_, err = file.WriteString("10.0.0.1:80\n")
	assert.NoError(t, err)
	assert.Equal(t, heard(20*time.Millisecond), false)
	assert.NoError(t, file.Close())
	assert.Equal(t, heard(patience), true)

	write(t, filepath.Join(dir, "stranger"), "x")
	assert.Equal(t, heard(20*time.Millisecond), false)
	assert.Equal(t, n.Every(), pollSlowly)

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	begun := time.Now()
	n.Wait(ctx, patience)
	assert.Equal(t, time.Since(begun) < patience, true)
	n.Wait(ctx, patience) // done already
	assert.Equal(t, time.Since(begun) < patience, true)
}

func TestNoInotifyIsPolling(t *testing.T) {
	n := NewNotifier(filepath.Join(t.TempDir(), "none", "servers"))
	n.Close()
	n.Follow()
	assert.Equal(t, n.Every(), PollEvery)
	n.Wait(t.Context(), time.Millisecond)
	n.Close()
}

func TestPlaces(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	assert.NoError(t, err)
	join := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	assert.NoError(t, os.MkdirAll(join("a", "b"), 0o700))
	write(t, join("a", "b", "file"), "")
	for link, target := range map[string]string{"up": "a/b/../b", "whole": join("up", "file"), "circle": "circle", "lost": "a/none/file"} {
		assert.NoError(t, os.Symlink(target, join(link)))
	}
	assert.Equal(t, places(join("a", ".", "b", "file")), []place{{join("a", "b"), "file"}})
	assert.Equal(t, places(join("up", "file")), []place{{dir, "up"}, {join("a", "b"), "file"}})
	assert.Equal(t, places(join("whole")), []place{{dir, "whole"}, {dir, "up"}, {join("a", "b"), "file"}})
	assert.Equal(t, places(join("lost")), []place{{dir, "lost"}, {join("a"), "none"}})
	assert.Equal(t, len(places(join("circle"))), linkMax+1)
}

// One notifier hears of all its files, and of the link that both are reached through.
func TestSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	assert.NoError(t, os.Mkdir(filepath.Join(dir, "one"), 0o700))
	assert.NoError(t, os.Mkdir(filepath.Join(dir, "two"), 0o700))
	assert.NoError(t, os.Symlink("one", filepath.Join(dir, "now")))
	n := NewNotifier(filepath.Join(dir, "now", "cert"), filepath.Join(dir, "now", "key"))
	defer n.Close()
	if n.file == nil {
		t.Skip("this system has no inotify")
	}
	heard := func() bool {
		begun := time.Now()
		n.Wait(t.Context(), patience)
		n.Follow()
		return time.Since(begun) < patience
	}
	n.Follow()
	write(t, filepath.Join(dir, "one", "cert"), "a")
	assert.Equal(t, heard(), true)
	write(t, filepath.Join(dir, "one", "key"), "b")
	assert.Equal(t, heard(), true)
	assert.NoError(t, os.Symlink("two", filepath.Join(dir, "new")))
	assert.NoError(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "now")))
	assert.Equal(t, heard(), true)
	write(t, filepath.Join(dir, "two", "key"), "c")
	assert.Equal(t, heard(), true)
}

func TestFresh(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	f := &File{Path: path, Max: 4}
	for range 2 { // what cannot be read is news each time
		_, changed, err := f.Fresh()
		assert.Equal(t, changed && os.IsNotExist(err), true)
	}
	write(t, path, "abcd")
	text, changed, err := f.Fresh()
	assert.NoError(t, err)
	assert.Equal(t, changed, true)
	assert.Equal(t, text, "abcd")
	_, changed, err = f.Fresh()
	assert.Equal(t, !changed && err == nil, true)
	f.Forget()
	_, changed, err = f.Fresh()
	assert.Equal(t, changed && err == nil, true)
	write(t, path, "abcde")
	_, _, err = f.Fresh()
	assert.Equal(t, err.Error(), path+" is larger than 0 KiB")
}

// A pair of files is read when both have stopped changing. Time is not real here, the files are.
func TestSettle(t *testing.T) {
	dir := t.TempDir()
	cert, key := &File{Path: filepath.Join(dir, "cert"), Max: 9}, &File{Path: filepath.Join(dir, "key"), Max: 9}
	write(t, cert.Path, "1")
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		go func() {
			time.Sleep(settleFor + settleFor/2) // not to synchronise: it is what is measured
			write(t, key.Path, "22")
		}()
		Settle(t.Context(), cert, key)
		// Not settled after one step is only known after the second; here the first step was quiet.
		assert.Equal(t, time.Since(begun), settleFor)
		time.Sleep(settleFor)
		_, _, err := cert.Fresh()
		assert.NoError(t, err)
		begun = time.Now()
		go func() {
			time.Sleep(settleFor / 2)
			write(t, key.Path, "333")
		}()
		Settle(t.Context(), cert, key)
		assert.Equal(t, time.Since(begun), 2*settleFor)
		_, _, err = key.Fresh()
		assert.NoError(t, err)
		begun = time.Now()
		Settle(t.Context(), cert, key)
		assert.Equal(t, time.Since(begun), time.Duration(0))
	})
}
