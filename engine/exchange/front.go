package exchange

import (
	"net/netip"

	"sluice/engine/flow"
	"sluice/engine/record"
)

// Front is all that a protocol owes an exchange on the client's side. Its methods never call back into the exchange.
type Front interface {
	// Source is the source of the request's body. It is asked for at most once, when there is a body, and again after
	// Switch.
	Source(x *Exchange) flow.Source
	// Received says that the whole of the request's body has been passed on, and no answer has begun. Alone of these
	// methods it may abandon the exchange.
	Received(x *Exchange)
	// Local is the address that the client has connected to; the zero AddrPort for a unix socket.
	Local(x *Exchange) netip.AddrPort
	// Inform queues x.Response as an interim answer (1xx). Clients that know none are spared it.
	Inform(x *Exchange)
	// WriteHead queues the head of the answer: x.Response, framed for x.ResponseBody. It is false when the head cannot
	// be written at all; nothing has been queued then.
	WriteHead(x *Exchange) bool
	// Sink is the sink of the answer's body: where the end of the stream ends the answer and not the connection. It is
	// asked for once after WriteHead, when there is a body, and again after Switch.
	Sink(x *Exchange) flow.Sink
	// Switch makes the client's side a tunnel, after the head of an answer that says so.
	Switch(x *Exchange)
	// Backlog is the number of bytes on their way to the client that it has not acknowledged.
	Backlog(x *Exchange) int
	// Over says that the exchange is over and recorded; it is the front's again, to be cleared and used for another.
	// With cut, the client must be able to tell that the answer is not whole.
	Over(x *Exchange, cut bool)
}

// Back is all that a protocol owes on the side of a server: one exchange at a time.
type Back interface {
	// Begin queues the head of x.Request, framed for x.RequestBody. to hears of the answer. It is false when the head
	// cannot be written; nothing has been queued then.
	Begin(x *Exchange, to Attempt) bool
	// Sink is the sink of the request's body, Source the source of the answer's. Both are asked for again after Switch.
	Sink() flow.Sink
	Source() flow.Source
	// Switch makes the server's side a tunnel, after an answer that said so.
	Switch()
	// Finish says that the answer has been taken whole, and that the back is not needed any more. It reports whether its
	// connection can be used again: only if both messages ended exactly.
	Finish() (reusable bool)
	// Cancel gives up: nobody hears of the back again, and its connection must be closed.
	Cancel()
}

// Attempt hears of the answer of a Back. It may call the back's Finish and Cancel from inside.
type Attempt interface {
	// Informed says that x.Response is an interim answer; it is empty again afterwards.
	Informed()
	// Answered says that x.Response is the head of the final answer, with x.ResponseBody and the flags set.
	Answered()
	// Failed says that there will be no answer. The back has to be cancelled. Once Answered, failures show in the
	// source; a tunnel's are told here again.
	Failed(err *record.Error)
}
