package observe

// The control socket: how a verb of the command line finds the proxy that runs a certain file. Both sides derive its path from
// the file's absolute path, so nothing has to be configured:
//
//	/etc/sluice/sluice.yaml → /run/sluice/sluice-4a1f09c2b7d6.sock
//
// The proxy takes the first folder it can write; a client, whose environment may be another one, looks at all of them in the same
// order. The file has the mode 0600, and the kernel tells either side who the other one is: only the same user and root
// get in.

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// runFolder is the one that packages and services use. A proxy that runs as root makes it.
	runFolder = "/run/sluice"
	// socketPathMax is sizeof(sockaddr_un.sun_path), less the final NUL (unix(7)).
	socketPathMax = 107
	// probeTimeout bounds the look whether somebody listens on a socket, and what he is doing.
	probeTimeout = time.Second

	controlMode = 0o600
)

var errInUse = fmt.Errorf("a process accepts connections on it: %w", unix.EADDRINUSE)

// OpenControl makes the control socket of a proxy that runs configFile. A socket that a dead proxy has left is replaced, and so
// is that of a proxy that drains: this one is its successor. A proxy that goes on with the same file is an error that names it.
func OpenControl(configFile string, proxy Proxy, log *slog.Logger) (*Admin, error) {
	path, err := ControlPath(configFile)
	if err != nil {
		return nil, err
	}
	for _, other := range controlPaths(configFile) {
		if pid := holder(other); pid != 0 {
			return nil, alreadyRuns(configFile, pid)
		}
	}
	err = claim(path, func(c net.Conn) error {
		if peer, err := peerOf(c); err == nil && !draining(path) {
			return alreadyRuns(configFile, int(peer.Pid))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, file, err := listenUnix(path, controlMode)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	a := newAdmin(l, file, proxy, log)
	a.listener.(*bounded).admit = trusted
	return a, nil
}

func alreadyRuns(configFile string, pid int) error {
	return fmt.Errorf("another sluice (pid %d) already runs %s: stop it, or give this one a file of its own", pid, configFile)
}

// ControlPath is where a proxy that runs configFile makes its control socket: in the first folder that it can write. An error
// says that there is none.
func ControlPath(configFile string) (string, error) {
	for _, path := range controlPaths(configFile) {
		folder := filepath.Dir(path)
		if folder == runFolder {
			_ = os.Mkdir(folder, 0o755) // root can
		}
		if unix.Access(folder, unix.W_OK|unix.X_OK) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no folder for the control socket: let the proxy's user write to %s, or set XDG_RUNTIME_DIR", runFolder)
}

// controlPaths are all places of the control socket, the best one first: the folder that systemd made for the service, the
// usual one, that of the user's session, and the one for temporary files.
func controlPaths(configFile string) []string {
	if absolute, err := filepath.Abs(configFile); err == nil {
		configFile = absolute
	}
	const short = 6 // bytes: files of one machine do not meet by chance
	hash := sha256.Sum256([]byte(configFile))
	name := "sluice-" + hex.EncodeToString(hash[:short]) + ".sock"
	first, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	var paths []string
	for _, folder := range []string{first, runFolder, os.Getenv("XDG_RUNTIME_DIR"), os.TempDir()} {
		path := filepath.Join(folder, name)
		if filepath.IsAbs(folder) && len(path) <= socketPathMax {
			paths = append(paths, path)
		}
	}
	return paths
}

// holder returns the process that serves a control socket, 0 if there is none, or it drains, or it is not to be trusted.
func holder(path string) int {
	c, err := net.DialTimeout("unix", path, probeTimeout)
	if err != nil {
		return 0
	}
	defer c.Close()
	peer, err := peerOf(c)
	if err != nil || !mayServe(peer) || draining(path) {
		return 0
	}
	return int(peer.Pid)
}

// draining tells whether the proxy behind a control socket says so. One that says nothing is not.
func draining(path string) bool {
	c := newClient(path)
	c.http.Timeout = probeTimeout
	status, err := c.Status()
	return err == nil && status.State == ProxyDraining
}

// claim makes room for a socket at path: one that nobody serves is removed. If somebody does, busy decides; nil removes it
// all the same.
func claim(path string, busy func(net.Conn) error) error {
	before, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case before.Mode()&fs.ModeSocket == 0:
		return &fs.PathError{Op: "listen", Path: path, Err: unix.EEXIST}
	}
	c, err := net.DialTimeout("unix", path, probeTimeout)
	if err == nil {
		err = busy(c)
		_ = c.Close()
	} else if errors.Is(err, unix.ECONNREFUSED) {
		err = nil
	} else { // it may be alive: its backlog is full, or it belongs to somebody else
		err = fmt.Errorf("%w (%w)", inUse(path), err)
	}
	if err != nil {
		return err
	}
	// Only what was looked at: another process may have been quicker.
	stale := socketFile{path, before}
	stale.remove()
	return nil
}

// listenUnix binds path. The file has its mode from the first moment on: the kernel takes it from the descriptor.
func listenUnix(path string, mode uint32) (net.Listener, *socketFile, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socket", err)
	}
	socket := os.NewFile(uintptr(fd), path)
	defer socket.Close() // the listener has a descriptor of its own
	if err = unix.Fchmod(fd, mode); err != nil {
		return nil, nil, os.NewSyscallError("fchmod", err)
	}
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, nil, &fs.PathError{Op: "bind", Path: path, Err: err}
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, nil, err
	}
	file := &socketFile{path, info}
	if err = unix.Listen(fd, connectionsMax); err == nil {
		var l net.Listener
		if l, err = net.FileListener(socket); err == nil {
			l.(*net.UnixListener).SetUnlinkOnClose(false) // it would not look whose file that is
			return l, file, nil
		}
	}
	file.remove()
	return nil, nil, err
}

// socketFile is a unix socket's file, by name and identity: a successor may have put its own in the same place.
type socketFile struct {
	path string
	info os.FileInfo
}

// remove removes the file, if it is still the same.
func (f *socketFile) remove() {
	if now, err := os.Lstat(f.path); err == nil && os.SameFile(f.info, now) {
		_ = os.Remove(f.path)
	}
}

// peerOf asks the kernel who is at the other end of a unix socket (SO_PEERCRED, unix(7)): who connected, or who listens.
func peerOf(c net.Conn) (peer *unix.Ucred, err error) {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	if failed := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); failed != nil {
		return nil, failed
	}
	return peer, err
}

// trusted tells whether a client of the control socket is the proxy's own user, or root.
func trusted(c net.Conn) bool {
	peer, err := peerOf(c)
	return err == nil && mayServe(peer)
}

// mayServe tells whether a process at the other end is of our own user, or root's.
func mayServe(peer *unix.Ucred) bool {
	return peer.Uid == 0 || int(peer.Uid) == os.Geteuid()
}
