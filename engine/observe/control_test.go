package observe

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/internal/assert"
)

// shortDir is a folder whose name leaves room for a socket's.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sl")
	assert.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// runHere has control sockets made in a folder of the test's own, and returns the path of a configuration file.
func runHere(t *testing.T) (file, folder string) {
	t.Helper()
	folder = shortDir(t)
	t.Setenv("RUNTIME_DIRECTORY", folder)
	return filepath.Join(t.TempDir(), "sluice.yaml"), folder
}

func serveControl(t *testing.T, file string, proxy Proxy) *Admin {
	t.Helper()
	a, err := OpenControl(file, proxy, quiet)
	assert.NoError(t, err)
	a.Serve()
	t.Cleanup(a.Close)
	return a
}

func TestControlSocket(t *testing.T) {
	file, folder := runHere(t)
	_, err := Dial(file)
	assert.Equal(t, errors.Is(err, ErrNotRunning), true)

	a := serveControl(t, file, newFakeProxy())
	assert.Equal(t, filepath.Dir(a.Address()), folder)
	info, err := os.Lstat(a.Address())
	assert.NoError(t, err)
	assert.Equal(t, info.Mode(), fs.ModeSocket|0o600)

	client, err := Dial(file)
	assert.NoError(t, err)
	assert.Equal(t, client.PID, os.Getpid())
	assert.Equal(t, client.UID, os.Geteuid())
	status, err := client.Status()
	assert.NoError(t, err)
	assert.Equal(t, status.State, ProxyRunning)
	assert.Equal(t, status.Started.Equal(noon), true)

	// Commands need no token here.
	_, err = client.Ask("POST", serverPath("app", "10.0.0.1:80", "weight"), []byte(`{"weight": 5}`))
	assert.NoError(t, err)
	_, err = client.Ask("POST", serverPath("app", "nobody", "weight"), []byte(`{"weight": 5}`))
	assert.Equal(t, err != nil && strings.HasPrefix(err.Error(), "there is no server of app"), true)

	a.Close()
	_, err = Dial(file)
	assert.Equal(t, errors.Is(err, ErrNotRunning), true)
	_, err = os.Lstat(client.Path)
	assert.Equal(t, errors.Is(err, fs.ErrNotExist), true)
}

// Both sides come to the same path, from whatever folder they look.
func TestControlPath(t *testing.T) {
	file, folder := runHere(t)
	absolute, err := ControlPath(file)
	assert.NoError(t, err)
	t.Chdir(filepath.Dir(file))
	relative, err := ControlPath("./sluice.yaml")
	assert.NoError(t, err)
	assert.Equal(t, relative, absolute)
	other, err := ControlPath("other.yaml")
	assert.NoError(t, err)
	assert.Equal(t, other == absolute, false)
	assert.Equal(t, filepath.Dir(other), folder)
}

// A folder that is not there is passed over, and so is one whose name is too long for a socket's.
func TestControlPathGoesOn(t *testing.T) {
	file, folder := runHere(t)
	first, err := ControlPath(file)
	assert.NoError(t, err)
	if _, err := os.Lstat(runFolder); errors.Is(err, fs.ErrNotExist) {
		t.Cleanup(func() { _ = os.Remove(runFolder) }) // root makes it
	}
	for _, bad := range []string{filepath.Join(folder, "missing"), filepath.Join(folder, strings.Repeat("x", socketPathMax)), "relative"} {
		t.Setenv("RUNTIME_DIRECTORY", bad)
		path, err := ControlPath(file)
		assert.NoError(t, err)
		assert.Equal(t, strings.HasPrefix(path, bad), false)
		assert.Equal(t, filepath.Base(path), filepath.Base(first))
	}
	// systemd gives a list if there are several.
	t.Setenv("RUNTIME_DIRECTORY", folder+":/elsewhere")
	again, err := ControlPath(file)
	assert.NoError(t, err)
	assert.Equal(t, again, first)
}

// A client whose environment is not the service's finds the proxy in one of the other places.
func TestClientLooksEverywhere(t *testing.T) {
	file, _ := runHere(t)
	folder := shortDir(t)
	t.Setenv("TMPDIR", folder)
	path := ""
	for _, candidate := range controlPaths(file) {
		if filepath.Dir(candidate) == folder {
			path = candidate
		}
	}
	l, socket, err := listenUnix(path, controlMode)
	assert.NoError(t, err)
	a := newAdmin(l, socket, newFakeProxy(), quiet)
	a.Serve()
	defer a.Close()
	client, err := Dial(file)
	assert.NoError(t, err)
	assert.Equal(t, client.Path, path)
	// Nor does a second proxy start beside it.
	_, err = OpenControl(file, newFakeProxy(), quiet)
	assert.Equal(t, err != nil && strings.Contains(err.Error(), "already runs "+file), true)
}

// What a proxy that was killed has left is no obstacle.
func TestStaleSocketIsReplaced(t *testing.T) {
	file, _ := runHere(t)
	path, err := ControlPath(file)
	assert.NoError(t, err)
	l, err := net.Listen("unix", path)
	assert.NoError(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	serveControl(t, file, newFakeProxy())
	_, err = Dial(file)
	assert.NoError(t, err)
}

// What is no socket stays as it is.
func TestNoOtherFileIsReplaced(t *testing.T) {
	file, _ := runHere(t)
	path, err := ControlPath(file)
	assert.NoError(t, err)
	assert.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	_, err = OpenControl(file, newFakeProxy(), quiet)
	assert.Equal(t, errors.Is(err, unix.EEXIST), true)
	text, err := os.ReadFile(path)
	assert.NoError(t, err)
	assert.Equal(t, string(text), "precious")
}

// One file is run once; the error says by whom. That holds for a proxy that has not begun to answer, too.
func TestSecondInstanceIsRefused(t *testing.T) {
	file, _ := runHere(t)
	first, err := OpenControl(file, newFakeProxy(), quiet)
	assert.NoError(t, err)
	defer first.Close()
	want := "another sluice (pid " + strconv.Itoa(os.Getpid()) + ") already runs " + file + ": stop it, or give this one a file of its own"
	_, err = OpenControl(file, newFakeProxy(), quiet)
	assert.Equal(t, err != nil && err.Error() == want, true)
	first.Serve()
	_, err = OpenControl(file, newFakeProxy(), quiet)
	assert.Equal(t, err != nil && err.Error() == want, true)
	_, err = Dial(file)
	assert.NoError(t, err)
}

// A proxy that drains leaves its place to a successor, and does not take the successor's socket away when it ends.
func TestSuccessorOfADrainingProxy(t *testing.T) {
	file, _ := runHere(t)
	old := newFakeProxy()
	first := serveControl(t, file, old)
	old.setState(ProxyDraining)
	client, err := Dial(file)
	assert.NoError(t, err)
	status, err := client.Status()
	assert.NoError(t, err)
	assert.Equal(t, status.State, ProxyDraining)

	serveControl(t, file, newFakeProxy())
	first.Close()
	client, err = Dial(file)
	assert.NoError(t, err)
	status, err = client.Status()
	assert.NoError(t, err)
	assert.Equal(t, status.State, ProxyRunning)
}

// Another user is refused by the mode of the file, and if that were not so, by what the kernel says of him.
func TestOtherUsersAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	nobody := os.Getenv("OBSERVE_AS_NOBODY")
	if nobody != "" {
		assert.NoError(t, unix.Setgid(65534))
		assert.NoError(t, unix.Setuid(65534))
		client, err := Dial(nobody)
		if err == nil {
			_, err = client.Status()
		}
		t.Logf("answer: %v", err)
		return
	}
	file, folder := runHere(t)
	a := serveControl(t, file, newFakeProxy())
	assert.NoError(t, os.Chmod(folder, 0o755))
	if answer := asNobody(t, file); !strings.Contains(answer, "belongs to another user") {
		t.Errorf("with the mode of the socket: %s", answer)
	}
	assert.NoError(t, os.Chmod(a.Address(), 0o666))
	if answer := asNobody(t, file); !strings.Contains(answer, "the proxy does not answer") {
		t.Errorf("with a socket that all may open: %s", answer)
	}
	_, err := Dial(file)
	assert.NoError(t, err)
}

// asNobody runs the present test as the user nobody.
func asNobody(t *testing.T, file string) string {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^TestOtherUsersAreRefused$", "-test.v")
	command.Env = append(os.Environ(), "OBSERVE_AS_NOBODY="+file)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// A proxy that hangs costs a client its timeout and no more.
func TestHungProxy(t *testing.T) {
	file, _ := runHere(t)
	a, err := OpenControl(file, newFakeProxy(), quiet) // never served
	assert.NoError(t, err)
	defer a.Close()
	client, err := Dial(file)
	assert.NoError(t, err)
	client.http.Timeout = 50 * time.Millisecond
	_, err = client.Status()
	assert.Equal(t, err != nil && strings.HasPrefix(err.Error(), "the proxy does not answer: "), true)
}

// The error says what to do: name the file, or start the proxy.
func TestNotRunningSaysWhy(t *testing.T) {
	file, folder := runHere(t)
	_, err := Dial(file)
	assert.Equal(t, strings.Contains(err.Error(), "there is no such file; name the right one with -c"), true)
	assert.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = Dial(file)
	assert.Equal(t, strings.Contains(err.Error(), "no sluice runs with "+file+" (looked for "+folder+"/sluice-"), true)
}
