package engine

import (
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"sluice/engine/exchange"
	"sluice/engine/h1"
	"sluice/engine/lease"
	"sluice/engine/loop"
	"sluice/engine/machine"
	"sluice/engine/observe"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/engine/upstream"
	"sluice/pool"
)

const (
	// flushAfter is how long a line of the access log may wait for others to leave with.
	flushAfter = 100 * time.Millisecond
	// tidyEvery is how often an idle loop gives memory and pipes back.
	tidyEvery = 5 * time.Second
	// departTick is how often a loop that stops looks whether the last bytes have arrived, departTime how long it does
	// at the least.
	departTick = 10 * time.Millisecond
	departTime = time.Second
)

// core is one loop and everything that lives on it.
type core struct {
	loop      *loop.Loop
	net       *sock.Net
	dialer    *lease.Dialer
	lines     *observe.Lines
	origins   *upstream.Origins
	now       *generation // that the loop goes by; nil before the first
	retired   []*retiree
	listeners map[sock.ListenAddr]*sock.Listener
	reasons   stat.Vector // exchanges that are over, by the reason of their end
	past      stat.Vector // connections of services that are gone, likewise
	lost      uint64      // lines that access logs of earlier generations have dropped
	stats     stat.Block
	gone      chan struct{} // closed when the loop has ended

	flush  loop.Timer // of the access log
	tidy   loop.Timer // of idle memory
	depart loop.Timer // ends the loop once everything is gone
	events uint64     // handled at the last look of tidy
	until  int64      // when the loop ends in any case
}

// newCore builds a loop and what belongs to it, whatever the configuration; nothing runs yet.
func newCore(index int, e *Engine, ample int) (*core, error) {
	poller, err := loop.OpenEpoll()
	if err != nil {
		return nil, err
	}
	c := &core{
		listeners: make(map[sock.ListenAddr]*sock.Listener), gone: make(chan struct{}),
		reasons: stat.NewVector(record.ReasonCount), past: stat.NewVector(record.ReasonCount),
	}
	c.loop = loop.New(loop.Config{Index: index, Poller: poller, Stats: &c.stats, Report: e.reportPanic})
	pipes := pool.NewPipes(pool.OSPipes{}, e.pipes, e.pipeSize, 0)
	buffers := pool.NewArena(0)
	buffers.Ample = ample
	c.net = sock.NewNet(c.loop, sock.Kernel{}, buffers, pipes)
	c.net.Ephemeral = machine.EphemeralPort()
	e.shakes.serve(c.net)
	c.dialer = lease.NewDialer(c.net)
	backs := h1.NewBacks()
	c.origins = upstream.NewOrigins(c.net, c.dialer, backs.New)
	c.flush.Bind(flusher{c})
	c.tidy.Bind(tidier{c})
	c.depart.Bind(departer{c})
	return c, nil
}

// reportPanic tells operators of a panic that cost one connection.
func (e *Engine) reportPanic(value any, stack []byte) {
	text := fmt.Sprint(value)
	e.events.Say(func(log *slog.Logger) {
		log.Error("a connection was closed because of a fault in the proxy", "panic", text, "stack", string(stack))
	})
}

// Conn implements relay.Recorder: one line in the access log.
func (c *core) Conn(r *record.Conn) {
	c.lines.Conn(r)
	c.flushSoon()
}

// Exchange implements exchange.Recorder: likewise.
func (c *core) Exchange(x *exchange.Exchange) {
	r := &x.Record
	c.reasons.Inc(int(r.Reason))
	c.stats.Add(stat.BytesUp, r.BytesUp)
	c.stats.Add(stat.BytesDown, r.BytesDown)
	c.lines.Exchange(r)
	c.flushSoon()
}

// flushSoon starts the clock of lines that wait.
func (c *core) flushSoon() {
	if c.lines.Pending() && !c.flush.Running() {
		c.loop.Start(&c.flush, c.loop.Now()+int64(flushAfter))
	}
}

// flusher hands the access log's lines to its writer.
type flusher struct{ *core }

// Expired implements loop.Expirer.
func (f flusher) Expired(*loop.Timer) {
	f.lines.Flush()
	if f.lines.Pending() {
		f.loop.Start(&f.flush, f.loop.Now()+int64(flushAfter))
	}
}

// tidier gives back what a quiet loop does not need.
type tidier struct{ *core }

// Expired implements loop.Expirer.
func (t tidier) Expired(*loop.Timer) {
	if handled := t.stats.Get(stat.Events); handled == t.events {
		t.net.Buffers.Trim()
		t.net.Pipes.Trim()
	} else {
		t.events = handled
	}
	t.loop.Start(&t.tidy, t.loop.Now()+int64(tidyEvery))
}

// begin starts what runs from the first moment. It runs on the loop.
func (c *core) begin() { c.loop.Start(&c.tidy, c.loop.Now()+int64(tidyEvery)) }

// closeListeners ends accepting. It runs on the loop.
func (c *core) closeListeners() {
	for _, l := range c.listeners {
		l.Close()
	}
	clear(c.listeners)
}

// drain lets connections that do nothing go, and calls done when none is left. It runs on the loop.
func (c *core) drain(done func()) {
	all := c.all()
	left := len(all)
	for _, s := range all {
		if d, ok := s.(drainer); ok {
			d.Drain()
		}
		s.WhenEmpty(func() { // those that have retired are buried no more, which the end does not need
			if left--; left == 0 {
				done()
			}
		})
	}
	if len(all) == 0 {
		done()
	}
}

// leave ends every connection, for why, and then the loop, when the last bytes of connections that were reset have
// arrived or patience is over. It runs on the loop.
func (c *core) leave(why record.Reason, patience time.Duration) {
	c.closeListeners()
	for _, s := range c.all() {
		s.StopAll(why)
	}
	c.dialer.CloseIdle()
	c.loop.Cancel(&c.tidy)
	c.until = c.loop.Now() + int64(patience)
	c.loop.Start(&c.depart, c.loop.Now()+int64(departTick))
}

// departer waits until descriptors are closed and resets have gone out.
type departer struct{ *core }

// Expired implements loop.Expirer.
func (d departer) Expired(*loop.Timer) {
	if d.net.Open()+d.net.Lingering() > 0 && d.loop.Now() < d.until {
		d.loop.Start(&d.depart, d.loop.Now()+int64(departTick))
		return
	}
	d.net.Shut()
	d.net.Pipes.Close()
	d.lines.Flush()
	d.loop.Stop()
}

const descriptorHint = "raise the limit of open files (ulimit -n, LimitNOFILE=) or lower max_connections"

// shortage makes the report of a listener that ran out of descriptors, and of its recovery.
func (e *Engine) shortage(listener string) func(syscall.Errno) {
	return func(err syscall.Errno) {
		e.events.Say(func(log *slog.Logger) {
			if err == 0 {
				log.Info("accepting connections again", "listener", listener)
				return
			}
			log.Error("not accepting for a moment: out of descriptors or memory", "listener", listener, "error", err.Error(),
				"hint", descriptorHint)
		})
	}
}

// fullEvery is how often a loop says that a listener has reached its max_connections.
const fullEvery = time.Minute

// full makes the report of a listener that accepts no more on loop c because it has reached max_connections.
func (e *Engine) full(c *core, st *station) func() {
	var said int64
	name, gate := st.config.Name, st.gate
	return func() {
		now := c.loop.Now()
		if said != 0 && now-said < int64(fullEvery) {
			return
		}
		said = now
		e.events.Say(func(log *slog.Logger) {
			log.Warn("max_connections is reached: new connections wait in the backlog", "listener", name,
				"max_connections", gate.Max(), "hint", "raise max_connections, or the limit of open files (ulimit -n, LimitNOFILE=)")
		})
	}
}
