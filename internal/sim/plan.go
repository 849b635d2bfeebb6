package sim

// A plan is what a seed is about: which of the code's ways are taken, and how unkind the kernel is. Everything else
// is drawn on the way.

import (
	"time"

	"sluice/engine/lease"
)

type plan struct {
	pair      bool // two connections and two flows without a relay
	bulk      bool // megabytes: splice
	bufferMin int  // of a socket, in bytes
	tear      int  // percent of writes that meet a lack of memory
	spurious  int  // percent of batches with a hint for nothing
	clients   int
	crowd     bool // they come all at once, with little to say
	unix      bool // the listener is a unix socket
	shortage  bool // descriptors run out for a while
	aborts    int  // percent of accepts that fail with ECONNABORTED
	maxConns  int64
	maxPerIP  int64
	proxyIn   proxyMode
	proxyOut  lease.ProxyVersion
	hello     bool // routes by server name
	catchAll  bool // and one for the rest
	policy    int
	servers   int           // at the least
	places    int           // of the whole upstream; 0 is no limit
	crowded   int           // percent of servers with a limit of their own
	queue     int           // how many may wait for a place
	patience  time.Duration // how long
	tends     int           // times somebody does something to the servers
	panics    int           // percent of servers below which all are used
	rude      int           // percent of actors that end without manners
	slow      int           // percent of actors that stand still for a while
	late      int           // percent of steps of handshakes that take long
	desk      int           // how many such steps may wait
	older     int           // percent of clients that speak TLS 1.2
	updates   int           // percent of records behind new keys
	back      bool          // servers have TLS
}

type proxyMode uint8

const (
	proxyOff proxyMode = iota
	proxyAccept
	proxyRequire
)

// What the code under test is configured with. Most stalls of actors are shorter, some are longer.
const (
	timeoutHello   = 2 * time.Second
	timeoutProxy   = time.Second
	timeoutTunnel  = 40 * time.Second
	timeoutHalf    = 15 * time.Second
	timeoutConnect = 500 * time.Millisecond
	timeoutShake   = 3 * time.Second
)

func (w *World) draw() plan {
	p := plan{
		pair:      w.chance(10),
		bulk:      w.chance(4),
		bufferMin: w.scale(64, 4096),
		tear:      []int{0, 0, 3, 20}[w.rng.IntN(4)],
		spurious:  []int{0, 10, 50}[w.rng.IntN(3)],
		clients:   w.scale(1, 6),
		unix:      w.chance(10),
		rude:      []int{0, 10, 30, 70}[w.rng.IntN(4)],
		slow:      []int{0, 20, 60}[w.rng.IntN(3)],
	}
	switch {
	case p.bulk:
		p.clients = w.between(1, 2)
	case w.chance(6):
		p.crowd, p.clients = true, w.between(8, 16)
	}
	if !p.pair {
		w.drawRelay(&p)
	}
	return p
}

// drawRelay draws what only the whole code under test knows.
func (w *World) drawRelay(p *plan) {
	p.shortage = w.chance(8)
	p.policy = w.rng.IntN(6)
	if w.chance(2) {
		p.policy = 6 // its table costs more than the rest of the run
	}
	if w.chance(10) {
		p.aborts = 30
	}
	if w.chance(20) {
		p.maxConns = int64(w.between(1, 3))
	}
	if w.chance(10) {
		p.maxPerIP = 1
	}
	if w.chance(25) {
		p.proxyIn = proxyMode(w.between(1, 2))
	}
	if w.chance(25) {
		p.proxyOut = lease.ProxyVersion(w.between(1, 2))
	}
	w.drawLimits(p)
	p.hello = w.chance(25)
	p.catchAll = w.chance(60)
}

// drawLimits draws how much room there is at the servers, and how quiet it is there.
func (w *World) drawLimits(p *plan) {
	p.crowded, p.patience = 10, time.Duration(w.scale(40, 2500))*time.Millisecond
	if w.chance(30) {
		p.crowded = []int{0, 50, 100}[w.rng.IntN(3)]
		p.queue = w.between(0, 3)
		if p.crowded == 0 || w.chance(50) {
			p.places = w.between(1, 3)
		}
		if p.queue > 0 && !p.bulk {
			p.clients += 2
		}
	}
	if w.chance(30) {
		p.tends, p.servers = w.scale(1, 8), w.between(1, 3)
	}
	if w.chance(50) {
		p.panics = 50
	}
}

// ending is how an actor means to leave.
type ending uint8

const (
	endsFirst   ending = iota // FIN after its last byte, then it reads to the other's end
	endsAfter                 // it waits for the other's end, then sends its own
	quits                     // it closes after its last byte and reads no more
	resets                    // it resets the connection, at some byte
	vanishes                  // it falls silent for ever
	vanishesFar               // likewise, and its machine is gone: the kernel notices after a while
	endsBluntly               // it has ended without close_notify
)

// opening is when an actor begins to send.
type opening uint8

const (
	atOnce    opening = iota
	onRequest         // after some bytes have come
	onEnd             // after the other's end
)

// script is what one actor does.
type script struct {
	total     int // bytes of payload
	piece     int // at most so many at once
	readPiece int
	pace      time.Duration // between its steps, at most
	opening   opening
	request   int // bytes to wait for, with onRequest
	ending    ending
	cutAt     int // bytes sent or received, with resets and vanishes
	stallAt   int // bytes received
	stallFor  time.Duration
	urgent    bool // it sends a byte out of band
	blunt     bool // it ends without close_notify
	shakeCut  int  // it leaves behind so many bytes of its handshake, or 0
}

// scriptTLS draws what an actor does with TLS.
func (w *World) scriptTLS(s *script) {
	s.blunt = w.chance(w.plan.rude / 3)
	if !s.polite() && w.chance(30) {
		s.shakeCut = w.scale(1, 2000)
	}
}

// readMax is the most an actor reads at once.
const readMax = 128 << 10

// polite reports whether the actor ends in order.
func (s *script) polite() bool { return s.ending == endsFirst || s.ending == endsAfter }

func (w *World) script(client bool) script {
	s := script{total: w.scale(1, 40<<10), pace: time.Duration(w.scale(10, 5000)) * time.Microsecond, urgent: w.chance(5)}
	switch {
	case w.chance(10):
		s.total = 0
	case w.plan.crowd:
		s.total = w.scale(1, 100)
	case w.plan.bulk && w.chance(70):
		s.total = w.between(300<<10, 1200<<10)
	}
	s.piece = 1 + s.total/w.scale(1, 40)
	s.readPiece = w.scale(16<<10, readMax) / w.scale(1, 16)
	s.opening = opening(w.rng.IntN(2))
	if !client {
		s.opening = opening(w.rng.IntN(3))
	}
	s.request = w.between(1, 64)
	if client && s.opening == onRequest && w.chance(80) {
		s.opening = atOnce // else most seeds would be two who wait for each other
	}
	s.ending = endsFirst
	if w.chance(35) {
		s.ending = endsAfter
	}
	if w.chance(w.plan.rude) {
		s.ending = ending(w.between(int(quits), int(vanishesFar)))
		s.cutAt = w.between(0, 2*s.total+1)
	}
	if client && w.secure || w.plan.back {
		w.scriptTLS(&s)
	}
	if w.chance(w.plan.slow) {
		s.stallAt = w.scale(1, 64<<10) - 1
		s.stallFor = time.Duration(w.scale(10, 3000)) * time.Millisecond
		if w.chance(10) {
			s.stallFor = 90 * time.Second
		}
	}
	return s
}
