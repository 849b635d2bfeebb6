package discover

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/configs"
	"sluice/internal/assert"
)

// write replaces a text the way a shell does: truncated, written, closed.
func write(t *testing.T, path, text string) {
	t.Helper()
	assert.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// tails follows a file. While all is well, what is told soon was told by inotify: polls come at least 27 seconds apart.
func tails(t *testing.T, path string) audience {
	t.Helper()
	o := options(t)
	told := hears(&o)
	w := New(Spec{Kind: "file", Path: path}, o)
	t.Cleanup(w.Close)
	return told
}

// soon is expect within the time that only inotify can keep.
func (a audience) soon(t *testing.T, want string) {
	t.Helper()
	begun := time.Now()
	a.expect(t, want)
	if took := time.Since(begun); took > 4*time.Second {
		t.Fatalf("told %q after %v", want, took)
	}
}

func TestFileIsFollowed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "servers")
	write(t, path, "10.0.0.2:80\n10.0.0.1:80 weight=3 max_connections=7 # mine\nunix:/run/app.sock backup\n")
	told := tails(t, path)
	told.soon(t, "update: unix:/run/app.sock backup, 10.0.0.1:80*3 max 7, 10.0.0.2:80")

	write(t, path, "10.0.0.3:80\n") // truncated and written
	told.soon(t, "update: 10.0.0.3:80")

	write(t, path+".new", "10.0.0.4:80\n") // renamed over
	assert.NoError(t, os.Rename(path+".new", path))
	told.soon(t, "update: 10.0.0.4:80")

	assert.NoError(t, os.Rename(path, path+"~")) // renamed away and written anew, as editors do
	write(t, path, "10.0.0.5:80\n")
	told.soon(t, "update: 10.0.0.5:80")

	write(t, path, "\n# moved\n10.0.0.5:80\n") // the same list
	write(t, path+".new", "10.0.0.6:80\n")
	assert.NoError(t, os.Remove(path))
	assert.NoError(t, os.Link(path+".new", path)) // linked into place
	told.soon(t, "update: 10.0.0.6:80")
}

func TestBrokenFileIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "servers")
	write(t, path, "10.0.0.1:80\n10.0.0.300:80\n")
	told := tails(t, path)
	told.soon(t, "trouble: "+path+":2:1: ")
	write(t, path, "10.0.0.1:80\n")
	told.soon(t, "update: 10.0.0.1:80")
	told.soon(t, "recovered")
	write(t, path, "10.0.0.2:80\nnonsense\n") // not even the first line is used
	told.soon(t, "trouble: "+path+":2:1: ")
	write(t, path, "nonsense\n") // broken anew
	told.soon(t, "trouble: "+path+":1:1: ")
	write(t, path, "# nothing\n")
	told.soon(t, "trouble: "+path+" lists no servers")
	write(t, path, strings.Repeat("# much\n", fileMax/7+1))
	told.soon(t, "trouble: "+path+" is larger than 1024 KiB")
	write(t, path, "10.0.0.1:80\n")
	told.soon(t, "recovered")
}

func TestDeletedAndRecreated(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "app")
	path := filepath.Join(dir, "servers")
	told := tails(t, path) // not even the directory is there
	told.soon(t, "trouble: stat "+path+": no such file or directory")
	assert.NoError(t, os.Mkdir(dir, 0o700))
	write(t, path, "10.0.0.1:80\n")
	told.soon(t, "update: 10.0.0.1:80")
	told.soon(t, "recovered")

	assert.NoError(t, os.Remove(path))
	told.soon(t, "trouble: stat "+path)
	write(t, path, "10.0.0.2:80\n")
	told.soon(t, "update: 10.0.0.2:80")
	told.soon(t, "recovered")

	assert.NoError(t, os.RemoveAll(dir))
	told.soon(t, "trouble: stat "+path)
	assert.NoError(t, os.Mkdir(dir, 0o700))
	write(t, path, "10.0.0.3:80\n")
	told.soon(t, "update: 10.0.0.3:80")
	told.soon(t, "recovered")

	assert.NoError(t, os.Rename(dir, dir+".old")) // nothing in the directory says so, only itself
	told.soon(t, "trouble: stat "+path)
	assert.NoError(t, os.Rename(dir+".old", dir))
	told.soon(t, "recovered")

	assert.NoError(t, os.Remove(path))
	assert.NoError(t, unix.Mkfifo(path, 0o600)) // must not hang the watcher
	told.soon(t, "trouble: ")
}

// What Kubernetes does to a ConfigMap: the file is a link through a link, and that one is swapped.
func TestSymlinkSwap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "servers")
	generation := func(name, text string) {
		assert.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
		write(t, filepath.Join(dir, name, "servers"), text)
		assert.NoError(t, os.Symlink(name, filepath.Join(dir, "..data_tmp")))
		assert.NoError(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	generation("..one", "10.0.0.1:80\n")
	assert.NoError(t, os.Symlink("..data/servers", path))
	told := tails(t, path)
	told.soon(t, "update: 10.0.0.1:80")
	generation("..two", "10.0.0.2:80\n")
	told.soon(t, "update: 10.0.0.2:80")
	write(t, filepath.Join(dir, "..two", "servers"), "10.0.0.3:80\n") // the end of the chain is followed, too
	told.soon(t, "update: 10.0.0.3:80")
	assert.NoError(t, os.RemoveAll(filepath.Join(dir, "..one")))
	generation("..three", "10.0.0.4:80\n")
	told.soon(t, "update: 10.0.0.4:80")
}

// Names in a file are followed like others.
func TestNamesInAFile(t *testing.T) {
	server := startServer(t)
	server.serves(t, "app.test. 20 A 10.0.0.2", "app.test. 60 AAAA fd00::2")
	path := filepath.Join(t.TempDir(), "servers")
	write(t, path, "app.test:80 weight=2\napp.test:81 backup\n10.0.0.1:80\nlost.test:80\n")
	s := newSource(Spec{Kind: "file", Path: path}, options(t, server)).(*fileSource)
	defer s.close()
	r := ask(t, s, patience)
	assert.Equal(t, errors.Is(r.err, ErrVanished), true)
	has(t, r.err, "lost.test: nothing of that name")
	assert.Equal(t, list(r.found), "10.0.0.1:80, 10.0.0.2:80*2, 10.0.0.2:81 backup, [fd00::2]:80*2, [fd00::2]:81 backup")
	assert.Equal(t, r.good, 20*time.Second)
	write(t, path, "app.test:80\n")
	server.silent()
	r = ask(t, s, 300*time.Millisecond)
	has(t, r.err, "no answer")
	assert.Equal(t, list(r.found), "10.0.0.2:80, [fd00::2]:80")
	assert.Equal(t, r.found[0].Name, "app.test")
}

// What the upstream refuses is a mistake like any other, and a server is called what its line calls it.
func TestMisfitsInAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "servers")
	s := newSource(Spec{Kind: "file", Path: path}, Options{Refuses: func(s configs.Server) string {
		if s.Scheme == "http" {
			return "not in clear"
		}
		return ""
	}}.withDefaults()).(*fileSource)
	defer s.close()
	write(t, path, "https://10.0.0.1:443\nunix:/run/app.sock\n[fd00::1]:443\n")
	r := ask(t, s, patience)
	assert.NoError(t, r.err)
	var hosts []string
	for _, f := range r.found {
		hosts = append(hosts, f.Host())
	}
	assert.Equal(t, hosts, []string{"10.0.0.1", "", "fd00::1"})
	assert.Equal(t, Found{Addr: r.found[1].Addr, Name: "app.test"}.Host(), "app.test")
	write(t, path, "10.0.0.2:443\nhttp://10.0.0.3:80\n")
	r = ask(t, s, patience)
	has(t, r.err, path+":2:1: 10.0.0.3:80: not in clear")
	assert.Equal(t, len(r.found), 3)
}
