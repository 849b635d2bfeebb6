package e2e

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"sluice/internal/assert"
)

// quick has every deadline of a listener short; one listener for each, so that none hides another.
const quick = `
listeners:
  tunnel: {bind: "127.0.0.1:PORT1", protocol: tcp, upstream: back, timeouts: {tunnel: 2s}}
  half: {bind: "127.0.0.1:PORT2", protocol: tcp, upstream: back, timeouts: {half_closed: 1500ms}}
  hello: {bind: "127.0.0.1:PORT3", protocol: tcp, timeouts: {hello: 200ms}}
  header: {bind: "127.0.0.1:PORT4", protocol: tcp, upstream: back, proxy_protocol: require, timeouts: {proxy_header: 200ms}}
  connect: {bind: "127.0.0.1:PORT5", protocol: tcp, upstream: deaf}
  routed: {bind: "127.0.0.1:PORT6", protocol: tcp}
routes:
  - {listeners: hello, sni: "*", upstream: back}
  - {listeners: routed, upstream: deaf, timeouts: {connect: 400ms}}
upstreams:
  back: {servers: "%s"}
  deaf: {servers: "%s", timeouts: {connect: 200ms}}
runtime: {loops: 2}
`

// within checks how long a connection lived that was made after began, in milliseconds. A proxy that is held up counts
// its timeouts from when it woke up, and a connection's age from when it got there: by the log it may end too early.
func within(t testing.TB, line entry, began time.Time, least, most float64) {
	t.Helper()
	if took := time.Since(began); took < time.Duration(least)*time.Millisecond || line.Total > most {
		t.Errorf("over after %v (%v ms by the log), want %v to %v ms", took, line.Total, least, most)
	}
}

// slack is how late a deadline may come on a machine with much else to do, in milliseconds.
const slack = 3000

// Each phase of a connection has a deadline of its own, and the log says which one it was.
func TestTimeoutsBeforeTheServer(t *testing.T) {
	t.Parallel()
	p := run(t, quick, station(t).address(), deaf(t))
	for _, row := range []struct {
		name, says, reason string
		port               int
		least              float64
	}{
		{"no hello", "", "hello_timeout", 3, 200},
		{"half a hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "hello_timeout", 3, 200},
		{"no header", "", "proxy_header_timeout", 4, 200},
		{"half a header", "PROXY TCP4 192", "proxy_header_timeout", 4, 200},
		{"no server", "", "connect_timeout", 5, 200},
		{"no server, the route's own limit", "", "connect_timeout", 6, 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			began := time.Now()
			client := p.dial(row.port)
			client.says(row.says)
			client.hearsReset()
			within(t, p.ends(row.reason), began, row.least, row.least+slack)
		})
	}
}

// The deadline is for the whole header: a client that drips bytes gains nothing by it.
func TestTimeoutsCannotBeStretched(t *testing.T) {
	t.Parallel()
	p := run(t, quick, station(t).address(), deaf(t))
	began := time.Now()
	client := p.dial(4)
	for _, b := range []byte(v1) {
		if _, err := client.Write([]byte{b}); err != nil {
			break
		}
		assert.NoError(t, client.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
		_, _ = client.Read(make([]byte, 1)) // the time between two drops
	}
	within(t, p.ends("proxy_header_timeout"), began, 200, 200+slack)
}

// A silent tunnel is reset on both sides; every byte, in either direction, starts the time anew.
func TestTimeoutsTunnelIdle(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, quick, o.address(), deaf(t))
	began := time.Now()
	client, server := p.dial(1), o.accept()
	for range 5 { // 2.5 s in all
		client.hearsNothing(250 * time.Millisecond)
		client.says("up")
		server.hears("up")
		server.hearsNothing(250 * time.Millisecond)
		server.says("down")
		client.hears("down")
	}
	client.hearsReset()
	server.hearsReset()
	line := p.ends("tunnel_idle")
	assert.Equal(t, line.Side, "self")
	within(t, line, began, 4500, 4500+slack)
}

// A client that ends first may wait for an answer as long as it takes to begin; once it has begun it must not pause.
func TestTimeoutsHalfClosedRunsOnceTheAnswerHasBegun(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, quick, o.address(), deaf(t))
	client, server := p.dial(2), o.accept()
	client.says("question")
	client.fin()
	server.hears("question")
	server.hearsEnd()
	client.hearsNothing(2500 * time.Millisecond) // much longer than half_closed
	server.says("the ans")
	client.hears("the ans")
	client.hearsReset()
	p.ends("half_closed_idle")
	assert.Eventually(t, server.isBroken)
}

// An answer that keeps moving is never cut.
func TestTimeoutsHalfClosedIsNotForLongAnswers(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, quick, o.address(), deaf(t))
	began := time.Now()
	client, server := p.dial(2), o.accept()
	client.fin()
	server.hearsEnd()
	for range 8 {
		server.says("more")
		client.hears("more")
		client.hearsNothing(250 * time.Millisecond)
	}
	server.fin()
	client.hearsEnd()
	within(t, p.ends("client_end"), began, 2000, 2000+slack)
}

// A server that has ended leaves the client the same time, since the answer has begun.
func TestTimeoutsHalfClosedByServer(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, quick, o.address(), deaf(t))
	client, server := p.dial(2), o.accept()
	server.says("bye")
	server.fin()
	client.hears("bye")
	client.hearsEnd()
	assert.Eventually(t, client.isBroken)
	p.ends("half_closed_idle")
}

// A reader who has stopped for as long as that counts as silence too.
func TestTimeoutsTunnelIdleWhileStalled(t *testing.T) {
	t.Parallel()
	o := station(t)
	p := run(t, quick, o.address(), deaf(t))
	client, server := p.dial(1), o.accept()
	chunk := pattern(0, mebibyte)
	assert.Eventually(t, func() bool {
		_, err := server.Write(chunk)
		return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	})
	assert.Equal(t, p.ends("tunnel_idle").Side, "self")
	assert.Eventually(t, client.isBroken)
}
