package upstream

import (
	"syscall"

	"sluice/engine/exchange"
	"sluice/engine/flow"
	"sluice/engine/lease"
	"sluice/engine/loop"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/engine/stat"
)

// attempt is the work on one exchange's answer: one try after the other, never two at once.
type attempt struct {
	proxy   *Proxy
	x       *exchange.Exchange
	lease   *lease.Lease
	conn    *sock.Conn
	backend *lease.Backend
	back    exchange.Back
	tries   int8 // connections that the request was written to
	reused  bool // the connection was idle before
	retried bool
}

func (a *attempt) ask() lease.Ask {
	return lease.Ask{From: a.proxy.Upstream, Key: a.proxy.key(a.x), Connect: a.proxy.Connect, Taker: a}
}

// seek finds a connection, an idle one if there is one.
func (a *attempt) seek() {
	c, b, l := a.proxy.Origins.dialer.Seek(a.ask())
	if c == nil {
		a.lease = l
		a.x.Detour()
		return
	}
	a.reused = true
	a.x.Record.Tried(b.Name, true)
	a.send(c, b)
}

// dial finds a connection that is certainly alive.
func (a *attempt) dial() {
	a.reused = false
	a.x.Detour()
	a.lease = a.proxy.Origins.dialer.Begin(a.ask())
}

// Trying implements lease.Taker.
func (a *attempt) Trying(b *lease.Backend) { a.x.Record.Tried(b.Name, false) }

// Leased implements lease.Taker.
func (a *attempt) Leased(c *sock.Conn, b *lease.Backend) {
	a.reused = a.lease.Idle()
	a.lease, a.conn, a.backend = nil, c, b
	a.x.Record.Connect = a.x.Phase()
	a.x.Await()
	if !a.reused {
		a.proxy.Origins.net.Loop.Stats().Inc(stat.HTTPBackOpened)
		a.introduce(c)
	}
	a.x.Record.Reused = a.reused
	a.send(c, b)
}

// introduce sends the PROXY header, where the upstream wants one.
func (a *attempt) introduce(c *sock.Conn) {
	if a.proxy.Upstream.Proxy == 0 {
		return
	}
	var room [proxyRoom]byte
	target := a.x.Local()
	if a.proxy.Upstream.Proxy == 1 {
		c.Queue(sock.AppendProxyV1(room[:0], a.x.Client, target))
		return
	}
	c.Queue(sock.AppendProxyV2(room[:0], a.x.Client, target))
}

// proxyRoom holds the longest header we send: version 1 with two IPv6 addresses.
const proxyRoom = 107

// Unleased implements lease.Taker.
func (a *attempt) Unleased(why record.Reason, cause syscall.Errno) {
	a.lease = nil
	x := a.x
	x.Record.Connect = x.Phase()
	if why == record.FDExhausted && a.proxy.Shortage != nil {
		a.proxy.Shortage.ShortOfDescriptors(cause)
	}
	a.quit(why, "", errorOf(cause))
}

// send puts the request on its way.
func (a *attempt) send(c *sock.Conn, b *lease.Backend) {
	a.conn, a.backend = c, b
	a.tries++
	if a.reused {
		a.proxy.Origins.net.Loop.Stats().Inc(stat.HTTPBackReused)
	}
	if h := &a.x.Request; h.Authority.Len == 0 && !h.Has(exchange.Host) {
		a.x.Record.Host = noHost
		h.Authority = h.StoreString(b.HostName()) // an HTTP/1.0 client need not name a host; HTTP/1.1 servers want one
	}
	a.back = a.proxy.Origins.backs(c)
	if !a.back.Begin(a.x, a) {
		a.quit(record.HeaderTooLarge, "the request's head does not fit once the proxy's fields are added", nil)
		return
	}
	// What the connection remembered may have ended the attempt already.
	if a.back != nil && a.x.RequestBody != 0 && !a.x.Switching {
		a.x.SendBody(a.back.Sink())
	}
}

// noHost is what the log says of a client that named none.
var noHost = []byte{}

// Informed implements exchange.Attempt.
func (a *attempt) Informed() {
	a.x.Inform()
	a.x.Response.Reset()
}

// Answered implements exchange.Attempt.
func (a *attempt) Answered() {
	x := a.x
	x.Record.FirstByte = x.Phase()
	x.Record.UpstreamStatus = int16(x.Response.Status)
	if x.Switching || x.Bodiless || x.ResponseBody == 0 {
		x.Answer(nil)
		return
	}
	x.Answer(a.back.Source())
}

// Failed implements exchange.Attempt.
func (a *attempt) Failed(err *record.Error) {
	x := a.x
	if x.State() == exchange.Tunneling {
		x.Fail(err.Kind, err.Detail, err.Cause)
		return
	}
	again := err.Retry == record.RetryIfReused && a.reused && !a.retried && a.resendable()
	if !again {
		a.backend.Fail()
		a.quit(err.Kind, err.Detail, err.Cause)
		return
	}
	x.RecallBody()
	a.drop()
	a.retried = true
	a.proxy.Origins.net.Loop.Stats().Inc(stat.HTTPReuseRetries)
	a.dial()
}

// resendable reports whether the request may be sent once more although a server may have seen it: its method says that
// twice is as good as once (RFC 9110, section 9.2.2), and its body is still complete.
func (a *attempt) resendable() bool {
	if !a.x.Replayable() {
		return false
	}
	switch string(a.x.Request.Bytes(a.x.Request.Method)) {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// Delivered implements exchange.Serving.
func (a *attempt) Delivered(*exchange.Exchange) {
	reusable := a.back.Finish()
	a.back = nil
	c, b := a.conn, a.backend
	a.conn, a.backend = nil, nil
	b.Release()
	d := a.proxy.Origins.dialer
	a.free()
	if reusable {
		d.Park(c, b)
		return
	}
	c.Close()
}

// Cancel implements exchange.Serving.
func (a *attempt) Cancel(*exchange.Exchange) {
	if a.lease != nil {
		a.lease.Cancel()
		a.lease = nil
	}
	a.drop()
	a.free()
}

// Switch implements exchange.Switcher.
func (a *attempt) Switch(*exchange.Exchange) (flow.Source, flow.Sink) {
	a.back.Switch()
	return a.back.Source(), a.back.Sink()
}

// quit gives up, for why.
func (a *attempt) quit(why record.Reason, detail string, cause error) {
	x := a.x
	x.Serving = nil
	a.drop()
	a.free()
	x.Fail(why, detail, cause)
}

// drop closes the present connection.
func (a *attempt) drop() {
	if a.back != nil {
		a.back.Cancel()
		a.back = nil
	}
	if a.conn != nil {
		a.conn.Reset()
		a.conn = nil
	}
	if a.backend != nil {
		a.backend.Release()
		a.backend = nil
	}
}

func (a *attempt) free() {
	attempts := &a.proxy.Origins.attempts
	a.proxy, a.x = nil, nil
	attempts.Put(a)
}

// Panicked implements loop.Victim.
func (a *attempt) Panicked() {
	if a.x != nil {
		a.x.Panicked()
	}
}

// errorOf keeps the absence of an error number from becoming an error.
func errorOf(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

var _ loop.Victim = (*attempt)(nil)
