package sim

// The web is the play of HTTP: clients ask, origins answer, and between them stand the front, the exchange, the attempts,
// the backs, and the pool of idle connections.
//
//	client ── asks ──► h1 front ─ exchange ─ attempt ─ h1 back ──► origin
//	(web_client)  ◄── verified ──  (real code)     ── replies ──  (web_origin)
//
// Every ask has a number, which is in its target, and what it carries is a piece of noise that belongs to it alone; so
// does every reply. Whatever is mixed up, lost or invented on the way is noticed by whoever gets it.

import (
	"net/netip"
	"reflect"
	"strings"
	"time"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/h1"
	"sluice/engine/h1/wire"
	"sluice/engine/lease"
	"sluice/engine/limit"
	"sluice/engine/proxyproto"
	"sluice/engine/record"
	"sluice/engine/sock"
	"sluice/engine/stat"
	"sluice/engine/upstream"
	"sluice/internal/veil"
)

// What the web is configured with, besides what tunnels are.
const (
	timeoutHeader    = 5 * time.Second
	timeoutKeep      = 6 * time.Second
	timeoutBody      = 4 * time.Second
	timeoutFirstByte = 4 * time.Second
	timeoutAnswer    = 3 * time.Second
	timeoutWrite     = 5 * time.Second
)

type web struct {
	*World
	rig     *webRig
	asks    []*ask
	clients []*client
	origins []*origin

	hold, keep int // what is kept back of bodies, in bytes
	minRate    int64
	pool       configs.Pool
	retry      upstream.Retry
	sticky     *upstream.Sticky
	sick       int           // percent of answers that say a server cannot
	leave      time.Duration // when the proxy is told to end, or 0
	drains     bool          // in order
	left       bool
}

// newWebWorld is a world that speaks HTTP.
func newWebWorld(seed uint64, traced bool) *World {
	w := New(seed, traced)
	w.play = &web{World: w}
	return w
}

// draw implements play.
func (w *web) draw() plan {
	p := plan{
		bulk:      w.chance(2),
		bufferMin: w.scale(64, 4096),
		tear:      []int{0, 0, 3, 20}[w.rng.IntN(4)],
		spurious:  []int{0, 10, 50}[w.rng.IntN(3)],
		clients:   w.scale(1, 5),
		unix:      w.chance(10),
		rude:      []int{0, 10, 30, 70}[w.rng.IntN(4)],
		slow:      []int{0, 20, 60}[w.rng.IntN(3)],
		policy:    w.rng.IntN(6),
		shortage:  w.chance(6),
	}
	switch {
	case p.bulk:
		p.clients = w.between(1, 2)
	case w.chance(6):
		p.crowd, p.clients = true, w.between(8, 16)
	}
	if w.chance(10) {
		p.aborts = 30
	}
	if w.chance(15) {
		p.maxConns = int64(w.between(1, 3))
	}
	if w.chance(5) {
		p.maxPerIP = 1
	}
	if w.chance(8) {
		p.proxyIn = proxyRequire
	}
	if w.chance(10) {
		p.proxyOut = lease.ProxyVersion(w.between(1, 2))
	}
	w.drawLimits(&p)
	w.drawRoutes()
	if w.retry.Attempts > 0 {
		p.servers = max(p.servers, w.between(1, 3))
	}
	return p
}

func (w *web) drawRoutes() {
	w.hold, w.keep = w.scale(1, 30_000), w.scale(1, 30_000)
	w.pool = configs.Pool{MaxIdle: []int{0, 1, 2, 64, 64}[w.rng.IntN(5)], IdleTimeout: time.Duration(w.scale(50, 20_000)) * time.Millisecond}
	if w.chance(30) {
		w.minRate = 20
	}
	w.drawRetry()
	if w.chance(10) {
		w.leave, w.drains = time.Duration(w.delay(2*time.Second)), w.chance(60)
	}
}

// drawRetry draws what is tried again.
func (w *web) drawRetry() {
	w.retry = upstream.Retry{Connect: true, Percent: 20, Budget: upstream.NewBudget(1)}
	if !w.chance(60) {
		return
	}
	r := &w.retry
	r.Attempts = w.between(0, 2)
	r.Connect, r.Reset, r.Timeout, r.MarkedDown = w.chance(85), w.chance(70), w.chance(70), w.chance(70)
	r.Statuses = [][]int{nil, {502, 503}, {503}}[w.rng.IntN(3)]
	r.Percent = []int{0, 20, 20, 100}[w.rng.IntN(4)]
	w.sick = []int{0, 10, 40}[w.rng.IntN(3)]
	if r.Attempts > 0 {
		w.hold = w.scale(1000, 30_000)
	}
}

// build implements play.
func (w *web) build() rig {
	r := &webRig{web: w, parked: map[*exchange.Exchange]int{}}
	w.rig = r
	r.init(w.World)
	r.compileUpstream(w.pool, w.drawSticky())
	if w.chance(85) {
		w.servers[0].manner, w.servers[0].moody = accepts, false
	}
	r.backs = h1.NewBacks()
	r.origins = upstream.NewOrigins(r.net, r.dialer, r.newBack)
	r.care.abandon = r.origins.Abandon
	w.retry.Budget.Begin(w.now)
	r.compileRoutes()
	config := &h1.Config{
		Names: &record.Names{Listener: "sim"}, MaxPerIP: w.plan.maxPerIP,
		Proxy:    proxyproto.Policy{Read: w.plan.proxyIn != proxyOff, Required: w.plan.proxyIn == proxyRequire},
		Timeouts: h1.Timeouts{Header: timeoutHeader, Idle: timeoutKeep, ProxyHeader: timeoutHeader},
		Limits:   wire.Limits{Head: headMax, Fields: 64, Target: targetMax},
	}
	if w.secure {
		config.TLS = veil.ServerConfig()
		config.Timeouts.Hello, config.Timeouts.Handshake = timeoutHello, timeoutShake
	}
	if config.MaxPerIP > 0 {
		r.perIP = limit.NewPerKey[netip.Addr](0)
		config.PerIP = r.perIP
	}
	r.server = h1.NewServer(config, r.net, &exchange.Service{
		Names: config.Names, Router: r, Recorder: r, Timeouts: r.timeouts(),
	})
	r.server.Turned = r
	r.streams = liveIn(r.server, "streams")
	if w.leave > 0 {
		w.after(int64(w.leave), func() { w.loop.Post(r.leave) })
	}
	return r
}

// webRig is the code under test.
type webRig struct {
	common
	web      *web
	server   *h1.Server
	backs    *h1.Backs
	origins  *upstream.Origins
	perIP    *limit.PerKey[netip.Addr]
	routes   [ways]*exchange.Route
	parked   map[*exchange.Exchange]int // by the gate, with the number of the parking
	parkings int
	deaf     bool          // the listener is closed
	streams  reflect.Value // how many are in use
}

func (r *webRig) timeouts() exchange.Timeouts {
	return exchange.Timeouts{
		BodyIdle: timeoutBody, FirstByte: timeoutFirstByte, Idle: timeoutAnswer, WriteIdle: timeoutWrite,
		MinRate: r.web.minRate, Tunnel: timeoutTunnel, HalfClosed: timeoutHalf,
	}
}

func (r *webRig) compileRoutes() {
	proxy := &upstream.Proxy{Origins: r.origins, Upstream: r.upstream, Connect: timeoutConnect, Shortage: r,
		Retry: r.web.retry, Sticky: r.web.sticky}
	for way := range r.routes {
		r.routes[way] = &exchange.Route{Names: &record.Names{Listener: "sim"}, Handler: proxy, Timeouts: r.timeouts(), Retain: r.web.retry.Attempts > 0}
	}
	r.routes[noWay] = nil
	r.routes[holdWay].Hold = r.web.hold
	r.routes[keepWay].HoldAnswer = r.web.keep
	r.routes[bothWay].Hold, r.routes[bothWay].HoldAnswer = r.web.hold, r.web.keep
	r.routes[maxWay].MaxBody = bodyMax
	r.routes[parkWay].Gates = []exchange.Gate{r}
	r.routes[upWay].Upgrade, r.routes[upWay].Connect = []string{"websocket"}, true
}

// newBack makes backs, or what a planted fault makes of them.
func (r *webRig) newBack(c *sock.Conn) exchange.Back {
	if r.w.plant.kind == plantReuse {
		return stubborn{r.backs.New(c)}
	}
	return r.web.newSpy(c, r.backs.New(c))
}

// Route implements exchange.Router.
func (r *webRig) Route(x *exchange.Exchange) (*exchange.Route, record.Reason) {
	if x.Connect {
		return r.routes[upWay], record.None
	}
	parts := strings.SplitN(string(x.Request.Path()), "/", 3)
	for way, name := range wayNames {
		if len(parts) == 3 && parts[1] == name && r.routes[way] != nil {
			return r.routes[way], record.None
		}
	}
	return nil, record.NotFound
}

// Check implements exchange.Gate: it parks for a moment.
func (r *webRig) Check(x *exchange.Exchange) exchange.Verdict {
	if r.w.chance(30) {
		return exchange.Next
	}
	r.parkings++
	mine := r.parkings
	r.parked[x] = mine
	r.w.cover.hit(gateParked)
	r.w.after(r.w.delay(time.Second)+1, func() {
		r.w.loop.Post(func() {
			if r.parked[x] == mine {
				delete(r.parked, x)
				x.Resume()
			}
		})
	})
	return exchange.Parked
}

// ShortOfDescriptors implements upstream.Shortage.
func (r *webRig) ShortOfDescriptors(cause error) { r.gate.Shortage(r.net, record.Errno(cause)) }

// Exchange implements exchange.Recorder.
func (r *webRig) Exchange(x *exchange.Exchange) {
	delete(r.parked, x)
	rec := x.Record
	r.w.trace("record: %s %s of %v, %s, status %d, %d up, %d down", rec.Method, rec.Target, rec.Client, rec.Reason, rec.Status, rec.BytesUp, rec.BytesDown)
	r.web.recorded(&rec)
}

// leave ends the listener, and everything else in its time or at once.
func (r *webRig) leave() {
	r.w.trace("the proxy is told to leave, drains %v", r.web.drains)
	r.web.left = true
	r.hush()
	if r.web.drains {
		r.server.Drain()
		return
	}
	r.server.StopAll(record.Stopped)
	r.dialer.CloseIdle()
}

func (r *webRig) hush() {
	if !r.deaf {
		r.deaf = true
		r.ear.Close()
	}
}

func (r *webRig) start(fd int) { r.listen(fd, r.server) }

func (r *webRig) close() {
	r.hush()
	r.pipes.Close()
}

func (r *webRig) active() int { return r.server.Active() }

// live looks into a free list for what was not put back: nobody else could tell.
func live(owner any, list string) int { return int(liveIn(owner, list).Int()) }

func liveIn(owner any, list string) reflect.Value {
	return reflect.ValueOf(owner).Elem().FieldByName(list).FieldByName("live")
}

func (r *webRig) leftovers(report func(string, int)) {
	r.common.leftovers(report)
	report("farewells", r.net.Leaving())
	report("clients' connections", r.server.Active())
	report("fronts", live(r.server, "fronts"))
	report("streams", live(r.server, "streams"))
	report("backs", live(r.backs, "list"))
	report("attempts", live(r.origins, "attempts"))
	report("idle connections", live(r.dialer, "parked"))
	report("exchanges parked by the gate", len(r.parked))
	for _, gauge := range []stat.ID{stat.HTTPIdle, stat.HTTPActive, stat.HTTPBackIdle} {
		report(gauge.Row().Name, int(r.w.stats.Get(gauge)))
	}
	if r.perIP != nil {
		report("clients counted", int(r.perIP.Keys()))
	}
}

// inspect implements play: what a connection or an exchange may hold is bounded.
func (w *web) inspect() {
	c := &w.rig.common
	c.care.inspect()
	used := c.arena.InUse() + c.pipes.InUse()
	streams := int(w.rig.streams.Int())
	if most := 5*c.net.Open() + 8*streams; used > most {
		w.fault("%d buffers and pipes for %d connections and %d exchanges", used, c.net.Open(), streams)
	}
	if idle := int(w.stats.Get(stat.HTTPBackIdle)); idle > w.pool.MaxIdle*len(w.servers) {
		w.fault("%d idle connections to %d servers, with a limit of %d for each", idle, len(w.servers), w.pool.MaxIdle)
	}
}

// atRest implements play: connections that wait for a request hold nothing, and there is an exchange for the others only.
func (w *web) atRest() {
	c := &w.rig.common
	c.care.atRest()
	streams := int(w.rig.streams.Int())
	active, waiting := int(w.stats.Get(stat.HTTPActive)), int(w.stats.Get(stat.HTTPIdle))
	if streams != active {
		w.fault("at rest, there are %d streams for %d exchanges", streams, active)
	}
	for _, x := range w.files.table {
		if x != nil && x.socket != nil && x.socket.noSpace {
			return
		}
	}
	if used := c.arena.InUse() + c.pipes.InUse(); used > 0 && active == 0 && waiting == w.rig.active() && c.net.Leaving() == 0 {
		w.fault("at rest, %d buffers and pipes are held, and nobody is at work", used)
	}
}
