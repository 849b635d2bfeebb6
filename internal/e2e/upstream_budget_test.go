package e2e

// The budget of retries: what does not work is not asked for twice by everybody.

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"sluice/internal/assert"
)

// failing is servers that fail, without ejection, so that nothing but the budget spares them.
const failing = `
listeners: {front: {bind: "127.0.0.1:PORT1", protocol: http}}
routes: [{upstream: back, retry: {attempts: %d}}]
upstreams: {back: {servers: [%s], eject: off}}
admin: "127.0.0.1:PORT2"
runtime: {loops: 2}
`

// Servers that fail under load are asked a fifth more than without retries, and not twice, however often a request may be
// tried; and whether they reset or say 503.
func TestUpstreamRetriesHaveABudget(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]func(net.Conn){
		"reset": func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) },
		"503":   func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")) },
	} {
		for _, attempts := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s, %d", name, attempts), func(t *testing.T) {
				t.Parallel()
				const clients, each = 32, 20
				var asked atomic.Int64
				var list []string
				for range 6 {
					list = append(list, station(t).serves(func(c net.Conn) {
						for hearsOne(c) {
							asked.Add(1)
							fails(c)
							if name == "reset" {
								return
							}
						}
					}).address())
				}
				p := run(t, failing, attempts, quoted(list...))
				byManyHandsOf(t, clients, func() error {
					b := p.browser()
					for range each {
						if a, err := b.does("GET", "/", nil); err != nil || a.StatusCode < 500 {
							return fmt.Errorf("%v, %+v", err, a)
						}
					}
					return nil
				})
				// A fifth more, and what three retries at a time let through beside that: where answers are quick, some more.
				const most = clients * each * 150 / 100
				t.Logf("asked %d times for %d requests", asked.Load(), clients*each)
				if asked.Load() > most {
					t.Errorf("%d requests became %d", clients*each, asked.Load())
				}
				if n := asked.Load() - clients*each; n == 0 || strconv.FormatInt(n, 10) != p.metric(`sluice_upstream_retries_total{upstream="back"}`) {
					t.Errorf("%d more than requests, and %s retries counted", n, p.metric(`sluice_upstream_retries_total{upstream="back"}`))
				}
				assert.Equal(t, strings.HasPrefix(p.metric(`sluice_upstream_retries_refused_total{upstream="back"}`), "0"), false)
			})
		}
	}
}

// byManyHandsOf calls do for each of n on a goroutine of its own.
func byManyHandsOf(t testing.TB, n int, do func() error) {
	t.Helper()
	errs := make(chan error, n)
	for range n {
		go func() { errs <- do() }()
	}
	for range n {
		assert.NoError(t, <-errs)
	}
}
