package exchange

// The four kinds of features, and where they are put together.

import (
	"time"

	"sluice/engine/flow"
	"sluice/engine/record"
)

// Verdict is what a Gate decides.
type Verdict uint8

// The verdicts of a gate.
const (
	Next     Verdict = iota // go on
	Answered                // it has called Answer, Reply or Fail
	Parked                  // it will call Resume, or answer, later
)

// Gate is asked before the answer: it may change the request, answer it, or have it wait.
type Gate interface {
	// Check judges x. A gate that has parked x must be ready to have it cancelled meanwhile: it finds out by x.State.
	Check(x *Exchange) Verdict
}

// Handler answers requests.
type Handler interface {
	// Serve begins the work on an answer, which ends, now or later, in one call of Answer, Reply or Fail. What must hear
	// of the end of the exchange sets x.Serving.
	Serve(x *Exchange)
}

// Serving is a handler at work on one exchange.
type Serving interface {
	// Delivered says that the answer's body has been taken whole from the source that was given to Answer.
	Delivered(x *Exchange)
	// Cancel says that the exchange is over: the answer is not wanted, or not any more. Nothing of x may be used
	// afterwards.
	Cancel(x *Exchange)
}

// Hopeful is a Serving that may have a way out when the answer is overdue.
type Hopeful interface {
	// Overdue says that the answer has not begun within the route's first_byte. It reports whether there will be another
	// try, whose clock begins anew; otherwise the exchange fails.
	Overdue(x *Exchange) bool
}

// Stage changes answers on their way to the client. It joins an answer only if this answer needs it.
type Stage interface {
	// Join may change the head, and return another source that takes its bytes from src, or src itself. Without a body
	// src is nil, and what is returned is ignored.
	Join(x *Exchange, src flow.Source) flow.Source
}

// Recorder is told of every exchange that is over.
type Recorder interface {
	// Exchange reads x and its record, which change afterwards.
	Exchange(x *Exchange)
}

// Router finds the route of a request.
type Router interface {
	// Route returns the route, or why there is none.
	Route(x *Exchange) (*Route, record.Reason)
}

// Service is what one listener does with requests. It never changes; the recorder is its loop's own.
type Service struct {
	Names    *record.Names // with the listener's name only
	Router   Router
	Recorder Recorder
	Timeouts Timeouts // for what has no route
}

// Route is what happens to some of a service's requests. It never changes, and an exchange keeps it to its end.
type Route struct {
	Names    *record.Names
	Gates    []Gate
	Stages   []Stage
	Handler  Handler
	Timeouts Timeouts
	// MaxBody bounds the request's body in bytes; 0 is no bound.
	MaxBody int64
	// Hold is how many bytes of the request's body are kept back before the handler is asked, HoldAnswer how many of
	// the answer's before its head is sent; 0 keeps nothing.
	Hold, HoldAnswer int
	// Retain keeps a request's body that Hold has collected whole until the answer has begun, so that it can be sent again.
	Retain bool
	// Upgrade lists the protocols that may be switched to, in lower case; Connect allows tunnels by CONNECT.
	Upgrade []string
	Connect bool
}

// Timeouts bound the phases of an exchange. The body's and the answer's run only while nothing moves: a large body on a
// slow line may take as long as it needs, as long as it keeps the minimum rate.
type Timeouts struct {
	BodyIdle   time.Duration // without a byte of the request's body
	FirstByte  time.Duration // from the whole request to the answer's head
	Idle       time.Duration // without a byte of the answer's body from its source, or of the request's to its sink
	WriteIdle  time.Duration // without a byte of the answer taken by the client
	MinRate    int64         // bytes per second either body must keep on the client's side, after a grace of 10 s; 0 is none
	Tunnel     time.Duration // without a byte in either direction, once switched
	HalfClosed time.Duration // likewise, once one direction has ended
}
