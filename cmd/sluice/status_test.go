package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/engine/observe"
	"sluice/internal/assert"
)

var update = flag.Bool("update", false, "rewrite the texts in testdata")

// started is the begin of the proxy on the screen.
var started = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// busyProxy is the state of a proxy with something of everything.
func busyProxy() *observe.Status {
	now := started.Add(3*time.Hour + 12*time.Minute + 7*time.Second)
	return &observe.Status{
		Version: "1.2.3", PID: 4711, State: observe.ProxyRunning, Time: now, Started: started, Loops: 2,
		Config: observe.Configuration{
			Generation: 3, Since: now.Add(-20 * time.Minute), Reloads: 2, Refused: 1, Fixed: []string{"runtime.loops", "runtime.memory"},
			Refusal: &observe.Refusal{At: now.Add(-time.Minute), Why: "sluice.yaml:3:5: unknown key \"protcol\"\n    3 |     protcol: tcp\n      |     ^"},
		},
		Connections: observe.Connections{Active: 1204, Accepted: 88123, Refused: 3},
		Requests: observe.Requests{
			Active: 40, Total: 1204331, Bad: 12,
			Answers: map[string]uint64{"1xx": 0, "2xx": 1204000, "3xx": 0, "4xx": 300, "5xx": 31},
		},
		Bytes: observe.Bytes{Up: 900, Down: 15 << 30},
		Ended: observe.Ended{
			Connections: map[string]uint64{"client_end": 7, "connect_refused": 1},
			Exchanges:   map[string]uint64{"done": 1204000, "connect_refused": 2, "a": 1, "b": 1, "c": 1, "d": 1},
		},
		Listeners: []observe.Listener{
			{Name: "web", Protocol: "http", Addresses: []string{":8080", "[::1]:8081"}, Active: 1200, Max: 9000},
			{Name: "db", Protocol: "tcp", Addresses: []string{":5432"}, Active: 4, Max: 9000},
		},
		Upstreams: []observe.Upstream{
			{
				Name: "app", Policy: "p2c", InUse: 12, Max: 100, Waiting: 3, QueueSize: 64, QueueTimeouts: 2, QueueFull: 5, Retries: 7, RetriesRefused: 1,
				Servers: []observe.Server{
					{
						Name: "10.0.0.1:80", Address: "10.0.0.1:80", State: observe.ServerUp, Since: started, Weight: 2, InUse: 9, Max: 50, Idle: 4,
						Picks: 1204000, Failures: 3, Latency: 1834 * time.Microsecond, SlowStart: 1000,
						Check: &observe.Checked{At: now.Add(-2 * time.Second), OK: true, Took: 412 * time.Microsecond, Detail: "200"},
					},
					{
						Name: "app.internal:80 (10.0.0.2)", Address: "10.0.0.2:80", State: observe.ServerDown, Since: now.Add(-75 * time.Second),
						Cause: "check: connection refused", Weight: 1, SlowStart: 1000,
						Check: &observe.Checked{At: now.Add(-time.Second), Took: 2 * time.Second, Detail: "connection refused"},
					},
					{
						Name: "10.0.0.3:80", Address: "10.0.0.3:80", State: observe.ServerUp, Since: now, Weight: 1, SlowStart: 250, Latency: 3 * time.Second,
						Check: &observe.Checked{At: now, Took: time.Millisecond, Detail: "status \x1b[2J500"},
					},
					{Name: "unix:/run/app.sock", Address: "unix:/run/app.sock", State: observe.ServerDraining, Cause: "told so", Backup: true, Latency: 120 * time.Millisecond},
				},
			},
			{Name: "db", Policy: "first", Panic: true, Servers: []observe.Server{
				{Name: "srv one", Address: "10.1.0.1:5432", State: observe.ServerEjected, Since: now.Add(-50 * time.Hour), Cause: "5 errors in a row", Weight: 1, SlowStart: 1000},
			}},
			{Name: "empty", Policy: "random"},
		},
	}
}

func TestStatusScreen(t *testing.T) {
	var text bytes.Buffer
	printStatus(&text, busyProxy())
	const path = "testdata/status.txt"
	if *update {
		assert.NoError(t, os.MkdirAll("testdata", 0o755))
		assert.NoError(t, os.WriteFile(path, text.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	assert.NoError(t, err)
	assert.Equal(t, text.String(), string(want))
}

// A proxy that has done nothing is shown, too.
func TestStatusScreenOfANewProxy(t *testing.T) {
	var text bytes.Buffer
	printStatus(&text, &observe.Status{Version: "devel", State: observe.ProxyStarting, Loops: 1})
	assert.Equal(t, strings.HasPrefix(text.String(), "sluice devel   starting for 0s   pid 0   1 loop\n\n"), true)
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59*time.Second + 999*time.Millisecond: "59s", time.Minute: "1m0s", time.Hour - 1: "59m59s",
		time.Hour: "1h0m", 24*time.Hour - 1: "23h59m", 24 * time.Hour: "1d0h", 100 * 24 * time.Hour: "100d0h",
	} {
		assert.Equal(t, age(d), want)
	}
}

func TestBytesOf(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 1<<64 - 1: "16.0 EiB"} {
		assert.Equal(t, bytesOf(n), want)
	}
}

// The verb finds the proxy by its file, and says so when there is none.
func TestStatusVerb(t *testing.T) {
	folder, err := os.MkdirTemp("", "sl") // short, as paths of sockets must be
	assert.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	t.Setenv("RUNTIME_DIRECTORY", folder)
	file := filepath.Join(folder, "sluice.yaml")
	v := &statusCmd{Config: file}

	err = v.Run()
	assert.Equal(t, errors.Is(err, observe.ErrNotRunning), true)
	assert.Equal(t, strings.Contains(err.Error(), "no sluice runs with "+file), true)

	answerAt(t, file, busyProxy())
	text, err := v.text()
	assert.NoError(t, err)
	var screen bytes.Buffer
	printStatus(&screen, busyProxy())
	assert.Equal(t, string(text), screen.String())

	v.JSON = true
	text, err = v.text()
	assert.NoError(t, err)
	var status observe.Status
	assert.NoError(t, json.Unmarshal(text, &status))
	assert.Equal(t, status.PID, busyProxy().PID)
	assert.Equal(t, len(status.Upstreams), len(busyProxy().Upstreams))
}

// answerAt is the control socket of a proxy that runs file.
func answerAt(t *testing.T, file string, status *observe.Status) {
	t.Helper()
	path, err := observe.ControlPath(file)
	assert.NoError(t, err)
	l, err := net.Listen("unix", path)
	assert.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(status) })
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
}
