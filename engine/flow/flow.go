// Package flow is the vocabulary of moving bytes, as small as io: one Source, one Sink, one chunk in flight.
//
// The source sends a chunk and waits; the sink takes it as fast as it can and says Done; only then does the flow
// ask the source to Proceed. Back-pressure is the order of these calls, and the memory of a transfer is bounded by
// construction: there is never a second chunk. End and abort travel in band.
//
//	source                    flow                     sink
//	  │◄──────── Proceed ──────┤                         │
//	  ├──── Send(chunk, end) ──►├──── Write(chunk, end) ─►│
//	  │                        │◄───────── Done ─────────┤
//	  │◄──────── Proceed ──────┤   (from the loop's ring) │
//
// A flow never calls back into its caller: what a call causes in the opposite direction enters the loop's ring.
package flow

import (
	"sluice/engine/loop"
	"sluice/pool"
)

// Source is where bytes come from.
type Source interface {
	// Proceed asks for one more chunk: the source answers, now or later, with one f.Send or f.Fail. It must not call
	// anything else of f meanwhile.
	Proceed(f *Flow)
	// Stop says that nobody wants the bytes any more. A Proceed that was not answered is withdrawn.
	Stop(f *Flow, err error)
}

// Sink is where bytes go.
type Sink interface {
	// Write hands over a chunk, which stays valid and the flow's property until f.Done. The sink reports what it has
	// taken by f.Advance, in as many steps as it likes, and then says f.Done, now or later; or f.Refuse when it
	// can take no more. With end, these are the last bytes: the sink passes the end of stream on before it says Done.
	// A chunk may be empty only when end is set.
	Write(f *Flow, c *Chunk, end bool)
	// Abort says that the source failed: the stream is cut, which the far side must be able to tell from its end. A
	// chunk that is not Done is withdrawn.
	Abort(f *Flow, err error)
}

// Owner is told how a flow came out.
type Owner interface {
	// Ended is called once, from the loop's ring: err is nil when the sink has passed on the end of stream.
	Ended(f *Flow, err error)
}

// Chunk is borrowed bytes, in memory or in a pipe. It is valid until the sink says Done; the sink, as the last hand,
// decides how it leaves.
type Chunk struct {
	Bytes []byte       // what the sink has not taken yet
	Pipe  *pool.Pipe   // non-nil: the bytes are Pipe.N bytes inside, and belong to the source's pipe
	Owner *pool.Buffer // the memory behind Bytes, released when the sink is done; nil when the source keeps it
}

// Len is the number of bytes the sink has not taken yet.
func (c *Chunk) Len() int {
	if c.Pipe != nil {
		return c.Pipe.N
	}
	return len(c.Bytes)
}

// Flow joins one Source to one Sink. It is embedded in what owns it, and used for one transfer at a time.
type Flow struct {
	task  loop.Task
	loop  *loop.Loop
	src   Source
	dst   Sink
	owner Owner
	chunk Chunk
	err   error
	moved uint64
	first int64
	last  int64
	state State
	end   bool // the chunk in flight is the last
	piped bool // some bytes went through a pipe
	begun bool // the source has sent a chunk
}

// Start begins a transfer. The first Proceed comes from the loop's ring. A flow may be started again once it has
// ended and its owner has been told.
func (f *Flow) Start(l *loop.Loop, src Source, dst Sink, owner Owner) {
	if f.state != Idle && !f.Over() {
		panic("flow: " + f.state.String() + " → " + Ready.String())
	}
	f.loop, f.src, f.dst, f.owner = l, src, dst, owner
	f.moved, f.first, f.err, f.end, f.piped, f.begun = 0, 0, nil, false, false, false
	f.last = l.Now()
	f.task.Bind(f)
	f.set(Ready)
	l.Settle(&f.task)
}

// Run does what was queued; it is called by the loop.
func (f *Flow) Run() {
	switch f.state {
	case Ready:
		f.src.Proceed(f)
	case Refused:
		f.set(Aborted)
		f.src.Stop(f, f.err)
		f.owner.Ended(f, f.err)
	case Failed:
		f.set(Aborted)
		f.owner.Ended(f, f.err)
	case Finished:
		f.set(Ended)
		f.owner.Ended(f, nil)
	}
}

// Panicked implements loop.Victim: the owner has to end what the flow belongs to.
func (f *Flow) Panicked() {
	if victim, ok := f.owner.(loop.Victim); ok {
		victim.Panicked()
	}
}

// Send passes one chunk on. Only the source calls it, once per Proceed.
func (f *Flow) Send(c Chunk, end bool) {
	f.set(Sending)
	f.chunk, f.end, f.begun = c, end, true
	f.dst.Write(f, &f.chunk, end)
}

// Yield puts a Proceed that the source cannot answer within its share of the turn off to a later turn.
func (f *Flow) Yield() { f.loop.Later(&f.task) }

// Advance reports that the sink has taken n more bytes of the chunk.
func (f *Flow) Advance(n int) {
	if f.chunk.Pipe != nil {
		f.chunk.Pipe.N -= n
		f.piped = true
	} else {
		f.chunk.Bytes = f.chunk.Bytes[n:]
	}
	f.last = f.loop.Now()
	if f.moved == 0 {
		f.first = f.last
	}
	f.moved += uint64(n)
}

// Done says that the sink has taken the whole chunk, and passed on the end if it was the last.
func (f *Flow) Done() {
	if f.state != Sending {
		panic("flow: done while " + f.state.String())
	}
	if f.chunk.Len() != 0 {
		panic("flow: done with bytes left")
	}
	f.release()
	if f.end {
		f.set(Finished)
	} else {
		f.set(Ready)
	}
	f.loop.Settle(&f.task)
}

// Fail says that the source cannot go on: the stream is cut. It answers a Proceed, or cuts a chunk in flight short.
func (f *Flow) Fail(err error) {
	f.set(Failed)
	f.err = err
	f.dst.Abort(f, err)
	f.release()
	f.loop.Settle(&f.task)
}

// Refuse says that the sink can take no more. The source is told from the loop's ring.
func (f *Flow) Refuse(err error) {
	f.set(Refused)
	f.err = err
	f.release()
	f.loop.Settle(&f.task)
}

// Cancel ends the flow without telling anyone: its owner is tearing both sides down.
func (f *Flow) Cancel() {
	if f.state == Idle || f.Over() {
		return
	}
	f.release()
	f.set(Aborted)
}

func (f *Flow) release() {
	if f.chunk.Owner != nil {
		f.chunk.Owner.Release()
	}
	f.chunk = Chunk{}
}

// Begun reports whether the source has sent a chunk: its bytes have left it, whatever became of them.
func (f *Flow) Begun() bool { return f.begun }

// Withdraw is Cancel for an owner who keeps the source: a Proceed that was not answered is withdrawn.
func (f *Flow) Withdraw() {
	if f.state == Ready {
		f.src.Stop(f, nil)
	}
	f.Cancel()
}

// Moved is the number of bytes the sink has taken.
func (f *Flow) Moved() uint64 { return f.moved }

// FirstMove is the time of the first byte, on the loop's clock; 0 before it.
func (f *Flow) FirstMove() int64 { return f.first }

// LastMove is the time of the last byte, or of the start.
func (f *Flow) LastMove() int64 { return f.last }

// Spliced reports whether some of the bytes went through a pipe.
func (f *Flow) Spliced() bool { return f.piped }

// Sink is where the flow's bytes go.
func (f *Flow) Sink() Sink { return f.dst }

// Stalled reports whether a chunk is with the sink, waiting to be taken.
func (f *Flow) Stalled() bool { return f.state == Sending }

// Queued reports whether the flow waits in the loop's ring: it may not be forgotten then.
func (f *Flow) Queued() bool { return f.task.Queued() }
