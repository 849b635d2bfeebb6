package sim

// A client of the web: it sends its asks, some of them before the answers to others have come, and reads the answers.

import (
	"fmt"
	"net/netip"
	"time"

	"sluice/engine/proxyproto"
)

// goodbye is how a client goes, once everything is answered.
type goodbye uint8

const (
	endsThen  goodbye = iota // FIN, when all answers are here
	waits                    // until the proxy has had enough
	endsEarly                // FIN behind the last ask
)

type client struct {
	peer
	web     *web
	addr    netip.AddrPort
	asks    []*ask
	asked   int // asks that were begun
	read    int // asks whose answers have come
	depth   int // how many may be under way
	goodbye goodbye
	stops   bool // it sends no rest of a body that was answered already

	reader reader
	held   *ask  // its body waits for a 100
	last   bool  // the proxy has said that it closes
	early  bool  // FIN was sent before all answers had come
	slow   bool  // it stands still now and then
	lost   bool  // what it gets from now on is no matter
	thinks int64 // until when it asks nothing more
	dozed  bool  // it has thought for longer than the proxy waits
	tunnel *tunnelEnd
	turned bool   // the proxy has ended the connection before any ask
	cookie string // of its server
}

func (w *web) client(i int) {
	c := &client{web: w}
	c.name = fmt.Sprintf("client%d", i)
	c.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i/2)}), uint16(40000+i))
	e, ok := w.listener.connect(c.name, c.addr)
	if !ok {
		return
	}
	c.reader.answer = true
	c.depth, c.stops = 1, w.chance(50)
	if w.chance(30) {
		c.depth = w.between(2, 6)
	}
	c.goodbye = goodbye(w.rng.IntN(2))
	if w.chance(w.plan.rude / 3) {
		c.goodbye = endsEarly
	}
	for nth := range w.scale(1, 6) {
		c.asks = append(c.asks, w.newAsk(c, nth+1))
	}
	if w.chance(30) {
		w.sayGoodbye(c.asks[len(c.asks)-1])
	}
	w.clients = append(w.clients, c)
	c.begin(w.World, e, c)
	e.peer.heard = w.race
	if w.plan.proxyIn != proxyOff {
		c.introduce()
		c.raw = len(c.out)
	}
	c.drawTrouble()
	w.trace("%s begins: %d asks, depth %d, goodbye %d, trouble %d at %d", c.name, len(c.asks), c.depth, c.goodbye, c.cutHow, c.cutAt)
}

// sayGoodbye makes an ask the last one.
func (w *web) sayGoodbye(a *ask) {
	if a.old || a.closes || a.bad != flawless || a.tunnels {
		return
	}
	for i := range a.fields {
		if a.fields[i].name == "Connection" {
			return
		}
	}
	a.closes = true
	a.fields = append(a.fields, field{"Connection", "close"})
	a.wire = nil
	w.askWire(a)
}

func (c *client) introduce() {
	if c.w.chance(50) {
		c.out = proxyproto.AppendV1(nil, c.addr, listenAt)
		return
	}
	c.out = proxyproto.AppendV2(nil, c.addr, listenAt)
}

// drawTrouble draws how the client misbehaves.
func (c *client) drawTrouble() {
	w := c.w
	total := 0
	for _, a := range c.asks {
		total += len(a.head) + len(a.wire)
	}
	if w.chance(w.plan.rude) {
		c.cutHow = []ending{endsFirst, quits, resets, resets, vanishes, vanishesFar}[w.rng.IntN(6)]
		c.cutAt = w.between(0, total+1)
		if w.secure && w.chance(30) {
			c.shakeCut = w.scale(1, 2000)
		}
	}
	if w.chance(w.plan.slow / 2) {
		c.slow = true
		c.pauseAt, c.pauseFor = w.between(0, total), time.Duration(w.scale(10, 30_000))*time.Millisecond
	}
	if w.chance(w.plan.slow / 2) {
		c.slow = true
		c.stallAt, c.stallFor = w.scale(1, 4<<10)-1, time.Duration(w.scale(10, 30_000))*time.Millisecond
		if w.chance(30) {
			c.stallFor = time.Minute
		}
	}
}

// attentive reports whether the client takes everything that comes, to the end.
func (c *client) attentive() bool {
	return !c.slow && !c.cut && !c.early && !c.dozed && !c.e.veil.garbled()
}

// act implements part.
func (c *client) act() {
	if c.tunnel != nil {
		c.tunnel.act()
		return
	}
	if c.w.now < c.thinks {
		return
	}
	for !c.last && c.held == nil && len(c.out) == 0 && c.asked < len(c.asks) && c.asked-c.read < c.depth && !c.sentEnd {
		if last := c.asked - 1; c.asked > c.read && (c.asks[last].tunnels || c.asks[last].old) {
			return // nothing can follow before the answer
		}
		c.ask(c.asks[c.asked])
	}
	if c.sentEnd || c.over || c.held != nil || len(c.out) > 0 && !c.last {
		return
	}
	switch all := c.read == len(c.asks); {
	case all && (c.goodbye == endsThen || c.asks[len(c.asks)-1].bad != flawless), c.last && len(c.out) == 0 && !c.reader.begun():
		c.end()
	case c.goodbye == endsEarly && c.asked == len(c.asks) && !all:
		c.early = true
		c.end()
	}
}

// ask sends an ask, or its head alone.
func (c *client) ask(a *ask) {
	c.asked++
	a.begun = true
	c.remember(a)
	c.w.trace("%s asks %q and %d bytes of body", c.name, a.head, len(a.wire))
	c.out = append(c.out, a.head...)
	if !a.expects {
		c.sendBody(a)
		return
	}
	c.held = a
	c.w.after(int64(time.Second)+c.w.delay(2*time.Second), func() { c.release(a) })
}

// release sends the body that was held back.
func (c *client) release(a *ask) {
	if c.held != a || c.over {
		return
	}
	c.held = nil
	c.sendBody(a)
	c.later()
}

func (c *client) sendBody(a *ask) {
	c.out = append(c.out, a.wire...)
	a.to = c.sent + len(c.out)
	if a.tunnels && a.early {
		c.out = append(c.out, a.up...)
	}
}

// came implements part.
func (c *client) came() {
	for len(c.in) > 0 && !c.over {
		if c.tunnel != nil {
			c.tunnel.take(c.in)
			c.in = nil
			return
		}
		if c.lost {
			c.in = nil
			return
		}
		if c.read == c.asked {
			c.w.fault("%s receives %q, which is no answer to anything", c.name, c.in[:min(len(c.in), 60)])
			return
		}
		before := len(c.in)
		known := c.reader.begun()
		c.in = c.reader.take(c.in)
		if c.reader.bad != "" {
			c.w.fault("%s cannot read the answer to ask %d: %s", c.name, c.asks[c.read].id, c.reader.bad)
			return
		}
		if !known && c.reader.begun() {
			c.head(c.asks[c.read])
		}
		if c.reader.whole() {
			c.answered()
		} else if len(c.in) == before {
			return
		}
	}
}

// head looks at the head of an answer.
func (c *client) head(a *ask) {
	r := &c.reader
	switch {
	case r.status == 101 || a.method == "CONNECT" && r.status < 300 && r.status >= 200:
		r.bodiless()
	case r.status < 200:
		if a.old {
			c.w.fault("%s speaks HTTP/1.0 and gets a %d", c.name, r.status)
		}
		if c.last {
			c.w.fault("%s gets a %d behind an answer that was the last", c.name, r.status)
		}
		if r.status == 100 {
			c.release(a)
		}
		c.w.cover.hit(interimSeen)
		a.interims = append(a.interims, r.message)
		c.reader.next()
	case a.method == "HEAD" || r.status == 204 || r.status == 304:
		r.bodiless()
		fallthrough
	default:
		a.cutShort = true
		c.web.verifyHead(a, &r.message)
		c.tooEarly(a)
	}
}

// tooEarly decides about the rest of a body that nobody waits for any more.
func (c *client) tooEarly(a *ask) {
	if c.held == a {
		c.held = nil
		c.last = true // the rest will never come, so nothing can follow
		return
	}
	if c.stops && a.to > c.sent {
		c.out, c.last = nil, true
	}
}

// answered takes a whole answer.
func (c *client) answered() {
	a, m := c.asks[c.read], c.reader.message
	c.w.trace("%s has the answer to ask %d: %d", c.name, a.id, m.status)
	if c.read > 0 && c.asks[c.read-1].final.closes {
		c.w.fault("%s gets an answer behind the last one", c.name)
	}
	a.final, a.cutShort = &m, false
	c.read++
	c.reader.next()
	c.web.verify(a)
	if m.closes || m.toEnd {
		c.last = true
		if c.w.chance(50) {
			c.out = nil
		}
	}
	c.think()
	switch {
	case a.switched:
		c.tunnel = newTunnelEnd(&c.peer, a, 0)
	case a.early, a.method == "HEAD" && a.page && m.closes:
		// What it has sent too early is taken for requests; and whoever has not read that this is a HEAD sends a body.
		c.lost, c.last = true, true
	}
	c.later()
}

// think has the client wait before it asks again, now and then.
func (c *client) think() {
	if c.read == len(c.asks) || !c.w.chance(15) {
		return
	}
	pause := c.w.delay(timeoutKeep - time.Second)
	if c.w.chance(10) {
		pause, c.dozed = int64(timeoutKeep)+c.w.delay(100*time.Millisecond)-int64(50*time.Millisecond), true
	}
	c.thinks = c.w.now + pause
	c.w.after(pause+1, c.later)
}

// ended implements part.
func (c *client) ended(cut bool) {
	if c.tunnel != nil {
		c.tunnel.ended(cut)
		return
	}
	if c.reader.state == readsToEnd && !cut {
		c.reader.state = readsNothing
		c.answered()
	}
	c.last = true
	c.end()
	c.finish()
}
