package seal

// Handshakes: crypto/tls's own, in steps.
//
// A step goes on with the bytes that have come until crypto/tls wants more of them. What it costs is mostly signing and
// key exchange, hundreds of microseconds, so steps are jobs for the workers. Between two of them a handshake is a
// suspended coroutine and waits for its peer without holding a worker.

import (
	"crypto/tls"
	"io"
	"net/netip"
	"slices"
	"sync/atomic"

	"sluice/engine/hello"
	"sluice/engine/loop"
)

// Role is which side of a handshake is ours.
type Role uint8

// The roles.
const (
	Server Role = iota
	Client
)

// Stepper is who feeds a handshake.
type Stepper interface {
	// Stepped is called on the loop after each step: Out is to be sent, and the handshake is over or wants more bytes.
	Stepped()
}

// Pool is what the handshakes of all loops share.
type Pool struct {
	// Explain says what an error of a handshake means, for logs; nil = crypto/tls's own words. Workers call it.
	Explain func(error) string

	crews []*crew
	next  atomic.Uint32 // the crew that is asked first
	under atomic.Int64
}

// crew is some workers and the coroutines that begin with them, and are theirs: a coroutine runs on the thread it was made
// on, if that thread belongs to its worker alone.
type crew struct {
	workers *loop.Workers
	spares  chan *coroutine
}

// NewPool returns a pool whose steps are done by workers. All steps of one handshake are done by the same: where workers
// have threads of their own, each has to be given by itself.
func NewPool(workers ...*loop.Workers) *Pool {
	p := new(Pool)
	for _, w := range workers {
		c := &crew{workers: w, spares: make(chan *coroutine, sparesMax)}
		w.AtEnd(c.release)
		p.crews = append(p.crews, c)
	}
	return p
}

// crew finds the crew for one more handshake: that with the least to do, by turns where there are several.
func (p *Pool) crew() *crew {
	first := int(p.next.Add(1)) % len(p.crews)
	best := p.crews[first]
	for i, least := 1, best.workers.Waiting(); i < len(p.crews) && least > 0; i++ {
		c := p.crews[(first+i)%len(p.crews)]
		if n := c.workers.Waiting(); n < least {
			best, least = c, n
		}
	}
	return best
}

// Under is the number of handshakes under way.
func (p *Pool) Under() int64 { return p.under.Load() }

// Waiting is the number of steps that no worker has begun yet.
func (p *Pool) Waiting() (steps int) {
	for _, c := range p.crews {
		steps += c.workers.Waiting()
	}
	return steps
}

// Plan is what a handshake is made of.
type Plan struct {
	Loop    *loop.Loop
	Config  *tls.Config // shared, not to be changed
	Role    Role
	Peer    netip.AddrPort
	Stepper Stepper
}

// Handshake is one handshake under way. All its methods but Run belong to its loop; while it is Stepping, the worker has
// all of it but what the methods say.
type Handshake struct {
	job     loop.Job
	plan    Plan
	pool    *Pool
	crew    *crew
	session *Session
	co      *coroutine // suspended, or nil
	yield   func(struct{}) bool
	in      []byte // what has come; crypto/tls has taken in[:at]
	at      int
	out     []byte
	parser  hello.Parser
	frames  framer
	steps   int
	whole   bool // a record has been completed since the last step
	eof     bool
	quit    bool
	over    bool
	counted bool
	failure *Failure
}

// Begin prepares a handshake. It returns nil when too many are under way. The caller owes an Abandon unless it comes to
// its end.
func (p *Pool) Begin(plan Plan) *Handshake {
	if p.under.Add(1) > underMost[plan.Role] {
		p.under.Add(-1)
		return nil
	}
	h := &Handshake{plan: plan, pool: p, crew: p.crew(), counted: true}
	h.session = &Session{shake: h, peer: plan.Peer, fresh: 2} // how many records come with the end is not known
	h.job.Bind(h)
	return h
}

// Space is room for bytes of the peer, to be followed by Feed; nil when a step has to come first.
func (h *Handshake) Space() []byte {
	if h.Stepping() || h.over || h.eof || len(h.in)-h.at >= feedMax {
		return nil
	}
	h.in = slices.Grow(h.in, feedLeast[h.plan.Role])
	return h.in[len(h.in):cap(h.in)]
}

// Feed adds the first n bytes of the space.
func (h *Handshake) Feed(n int) {
	fresh := h.in[len(h.in) : len(h.in)+n]
	h.in = h.in[:len(h.in)+n]
	h.whole = h.frames.feed(fresh) > 0 || h.whole
}

// Preload feeds what has been read before the handshake, however much that is.
func (h *Handshake) Preload(b []byte) {
	h.in = slices.Grow(h.in, len(b))
	copy(h.in[len(h.in):cap(h.in)], b)
	h.Feed(len(b))
}

// End says that no more bytes will come.
func (h *Handshake) End() { h.eof = true }

// Stepping reports whether a step is under way.
func (h *Handshake) Stepping() bool { return h.job.Busy() }

// Ready reports whether a step would come further: a client begins by itself, a server with a complete ClientHello, and
// both go on with each record.
func (h *Handshake) Ready() bool {
	switch {
	case h.Stepping() || h.over:
		return false
	case h.eof || h.steps == 0 && h.plan.Role == Client:
		return true
	case h.steps == 0:
		var seen hello.Hello
		return h.parser.Parse(h.in[h.at:], &seen) != hello.Partial
	}
	return h.whole
}

// Step goes on with what has been fed; Stepped follows, perhaps at once. It returns why that is impossible: the workers
// are busy, or the peer has had its share of them.
func (h *Handshake) Step() *Failure {
	if h.steps >= stepsMax {
		return tooCrumbly
	}
	spare := spared[h.plan.Role]
	if h.steps > 0 {
		spare /= 2 // what has been begun had better come to its end
	}
	h.steps++
	h.whole = false
	if !h.crew.workers.Submit(h.plan.Loop, &h.job, spare) {
		return TooBusy
	}
	return nil
}

// Run implements loop.Work: it goes on until crypto/tls wants more bytes. A coroutine that panics is lost.
func (h *Handshake) Run() {
	co := h.co
	if co == nil {
		co = h.crew.coroutine()
		co.shake = h
	}
	h.co = nil
	co.next()
	if h.over {
		h.crew.keep(co)
	} else {
		h.co = co
	}
}

// Done implements loop.Work.
func (h *Handshake) Done() {
	if h.job.Crashed() {
		h.over, h.failure = true, crashed
	}
	if h.plan.Stepper == nil {
		h.dispose()
		return
	}
	if h.at == len(h.in) {
		h.in, h.at = nil, 0 // who waits for its peer holds no buffer
	}
	if h.over {
		h.leave()
	}
	h.plan.Stepper.Stepped()
}

// Out is what is to be sent to the peer. It is given once, and the caller's then.
func (h *Handshake) Out() []byte {
	out := h.out
	h.out = nil
	return out
}

// Over reports whether the handshake is done, or has failed.
func (h *Handshake) Over() bool { return h.over }

// Failure is why the handshake has failed, or nil. An alert for the peer may be in Out.
func (h *Handshake) Failure() *Failure { return h.failure }

// Session is what comes of a handshake that is over without a failure. It goes on with what the peer has sent
// beyond the handshake.
func (h *Handshake) Session(wire Wire) *Session {
	s := h.session
	s.wire, s.shake, s.frames = wire, nil, h.frames
	if rest := h.in[h.at:]; len(rest) > 0 {
		s.early = slices.Clone(rest)
	}
	return s
}

// Abandon ends a handshake that nobody wants any more. A step under way comes to its end first.
func (h *Handshake) Abandon() {
	h.plan.Stepper = nil
	if !h.Stepping() {
		h.dispose()
	}
}

// dispose has a suspended coroutine return, which takes it a few function calls, and makes it free for the next. That is
// one more step.
func (h *Handshake) dispose() {
	if h.co == nil {
		h.leave()
		return
	}
	h.quit = true
	h.crew.workers.Insist(h.plan.Loop, &h.job)
}

// leave stops counting the handshake.
func (h *Handshake) leave() {
	if h.counted {
		h.counted = false
		h.pool.under.Add(-1)
	}
}

// converse is the handshake as crypto/tls sees it, from its beginning to its end, inside a coroutine. A context that can
// be cancelled would cost a goroutine to watch it.
func (h *Handshake) converse(yield func(struct{}) bool) {
	h.yield = yield
	s := h.session
	if h.plan.Role == Client {
		s.tls = tls.Client((*shim)(s), h.plan.Config)
	} else {
		s.tls = tls.Server((*shim)(s), h.plan.Config)
	}
	if err := s.tls.Handshake(); err != nil {
		h.failure = h.pool.failure(err)
	} else {
		s.state = stateOf(s.tls)
	}
	h.over, h.yield = true, nil
}

// receive is the shim's Read during the handshake.
func (h *Handshake) receive(p []byte) (int, error) {
	for h.at == len(h.in) && !h.quit {
		switch {
		case h.eof:
			return 0, io.EOF
		case !h.yield(struct{}{}):
			return 0, errAbandoned
		}
	}
	if h.quit { // also with bytes to go on with: nobody wants what would come of them
		return 0, errAbandoned
	}
	n := copy(p, h.in[h.at:])
	h.at += n
	return n, nil
}

func stateOf(c *tls.Conn) State {
	s := c.ConnectionState()
	return State{
		Version: s.Version, Cipher: s.CipherSuite, Resumed: s.DidResume,
		ALPN: s.NegotiatedProtocol, ServerName: s.ServerName, PeerCertificates: s.PeerCertificates,
	}
}
