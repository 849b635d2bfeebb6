package observe

// The other end of the control socket, for verbs that talk to a running proxy.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// clientTimeout bounds one question. A proxy that takes longer hangs.
	clientTimeout = 5 * time.Second
	// reloadTimeout bounds a reload, which looks up names, and may have to wait for one before it.
	reloadTimeout = time.Minute
	reloadPath    = "/api/reload"
	// answerMax bounds an answer: thousands of servers fit.
	answerMax = 64 << 20
)

// ErrNotRunning is wrapped by Dial's error when no proxy runs the file.
var ErrNotRunning = errors.New("no sluice runs")

// Client asks a running proxy. Its methods may be called from any goroutine.
type Client struct {
	Path string // of the control socket
	PID  int    // of the proxy
	UID  int    // of the user it runs as

	http http.Client
}

// Dial finds the proxy that runs configFile. It must be the caller's own, or root's; root may talk to everybody's. The error is
// one sentence for the user.
func Dial(configFile string) (*Client, error) {
	paths := controlPaths(configFile)
	if os.Geteuid() == 0 {
		paths = append(paths, sessionPaths(paths)...)
	}
	var forbidden string
	for _, path := range paths {
		c := newClient(path)
		conn, peer, err := c.dial(context.Background())
		if err == nil {
			c.PID, c.UID = int(peer.Pid), int(peer.Uid)
			return c, conn.Close()
		}
		if errors.Is(err, fs.ErrPermission) {
			forbidden = path
		}
	}
	if forbidden != "" {
		return nil, fmt.Errorf("the sluice that runs %s belongs to another user (%s): ask as that user, or as root", configFile, forbidden)
	}
	return nil, notRunning(configFile, paths)
}

// sessionPaths are where users' sessions have their sockets, for root, who is in none of them.
func sessionPaths(known []string) []string {
	if len(known) == 0 {
		return nil
	}
	found, _ := filepath.Glob("/run/user/*/" + filepath.Base(known[0]))
	return slices.DeleteFunc(found, func(path string) bool { return slices.Contains(known, path) })
}

func notRunning(configFile string, paths []string) error {
	if absolute, err := filepath.Abs(configFile); err == nil {
		configFile = absolute
	}
	hint := "looked for " + strings.Join(paths, ", ")
	if _, err := os.Stat(configFile); errors.Is(err, fs.ErrNotExist) {
		hint = "and there is no such file; name the right one with -c"
	}
	return fmt.Errorf("%w with %s (%s)", ErrNotRunning, configFile, hint)
}

func newClient(path string) *Client {
	c := &Client{Path: path}
	c.http.Timeout = clientTimeout
	c.http.Transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, _, err := c.dial(ctx)
			return conn, err
		},
		DisableKeepAlives: true,
	}
	return c
}

// dial connects, and looks who answers: in a folder that all may write, anybody could.
func (c *Client) dial(ctx context.Context) (net.Conn, *unix.Ucred, error) {
	dialer := net.Dialer{Timeout: probeTimeout}
	conn, err := dialer.DialContext(ctx, "unix", c.Path)
	if err != nil {
		return nil, nil, err
	}
	peer, err := peerOf(conn)
	if err == nil && os.Geteuid() != 0 && !mayServe(peer) {
		err = fmt.Errorf("%s: %w", c.Path, fs.ErrPermission)
	}
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, peer, nil
}

// Ask sends one request; body is JSON, or nil. It returns the answer's body; a refusal is an error with the proxy's own words.
func (c *Client) Ask(method, path string, body []byte) ([]byte, error) {
	r, err := http.NewRequest(method, "http://localhost"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("the proxy does not answer: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerMax))
	if err != nil {
		return nil, fmt.Errorf("the proxy's answer broke off: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return text, nil
	}
	var refusal struct{ Error string }
	if json.Unmarshal(text, &refusal) != nil || refusal.Error == "" {
		refusal.Error = fmt.Sprintf("the proxy answered %s to %s %s", resp.Status, method, path)
	}
	return nil, errors.New(refusal.Error)
}

// Status asks for the state of everything.
func (c *Client) Status() (Status, error) {
	var s Status
	text, err := c.Ask(http.MethodGet, "/api/status", nil)
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return s, err
}

// Reload has the proxy read its configuration again. The error is everything that is wrong with that, as `sluice check`
// says it, or why there is no reload.
func (c *Client) Reload() (Reloaded, error) {
	patient := newClient(c.Path)
	patient.http.Timeout = reloadTimeout
	var done Reloaded
	text, err := patient.Ask(http.MethodPost, reloadPath, nil)
	if err == nil {
		err = json.Unmarshal(text, &done)
	}
	return done, err
}
