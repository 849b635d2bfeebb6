package flow

// A Collector keeps a stream back until enough of it is there, or all of it, and from then on is a bounded queue between
// its source and whoever takes it:
//
//	source ──in──► Collector ──out──► sink
//
// It is the Sink of one flow and the Source of the next. Its memory is bounded by what it was told to keep, and two
// buffers: the one that is being filled, and the one that is on its way out. When memory is scarce on its loop, what it
// has is enough.

import (
	"sluice/engine/loop"
	"sluice/pool"
)

// Keeper is told when a Collector has enough.
type Keeper interface {
	// Collected is called once, from the loop's ring: as much as was asked for has been collected, or all there is, or
	// the source has failed, which c.Err tells.
	Collected(c *Collector)
}

// Collector is one stream kept back.
type Collector struct {
	in      Flow
	out     *Flow // it waits for a chunk, or has one of ours
	task    loop.Task
	arena   *pool.Arena
	keeper  Keeper
	queue   []*pool.Buffer // first in, first out
	next    int            // the first of them that has not been sent; others are kept to be sent again
	fill    int            // bytes in the last buffer
	size    int            // bytes in the queue that have not been sent
	most    int
	pending *Chunk // what does not fit yet
	err     error  // the source has failed
	last    bool   // the pending chunk is the last
	ended   bool   // everything has been collected
	asked   bool   // out waits
	told    bool
	retain  bool // what is complete is kept after it was sent
}

// NewCollector collects from src on l: most bytes in buffers of arena before it tells keeper, and never more.
func NewCollector(l *loop.Loop, most int, arena *pool.Arena, keeper Keeper) *Collector {
	c := &Collector{arena: arena, keeper: keeper, most: most}
	c.task.Bind(c)
	c.in.loop = l
	return c
}

// Begin starts collecting from src.
func (c *Collector) Begin(src Source) { c.in.Start(c.in.loop, src, c, c) }

// Err is why the source has failed; nil while it has not.
func (c *Collector) Err() error { return c.err }

// Complete reports whether everything the source had is collected, or has been.
func (c *Collector) Complete() bool { return c.ended }

// Collected is the number of bytes that have come from the source.
func (c *Collector) Collected() uint64 { return c.in.Moved() }

// Inner is the flow into the collector.
func (c *Collector) Inner() *Flow { return &c.in }

// Retain has the collector keep what it sends, if it has the whole stream by then, so that Recall can begin anew.
func (c *Collector) Retain() { c.retain = true }

// Forget ends Retain: what has been sent is not wanted any more.
func (c *Collector) Forget() {
	c.retain = false
	for _, b := range c.queue[:c.next] {
		b.Release()
	}
	c.queue = c.queue[:copy(c.queue, c.queue[c.next:])]
	c.next = 0
}

// Entire reports whether everything the source had is still here, whether sent or not.
func (c *Collector) Entire() bool { return c.ended && (c.next == 0 && c.size == c.total() || c.retain) }

// total is the number of bytes in the whole queue.
func (c *Collector) total() int { return int(c.in.Moved()) }

// Recall withdraws a Proceed that was not answered: the sink is another one from now on. What was kept is sent to it from
// the beginning.
func (c *Collector) Recall() {
	c.asked = false
	if c.next > 0 && c.retain {
		c.next, c.size = 0, c.total()
	}
}

// Cancel gives everything back and tells nobody.
func (c *Collector) Cancel() {
	c.in.Withdraw()
	c.drop()
	c.keeper, c.told = nil, true
}

// Write implements Sink.
func (c *Collector) Write(_ *Flow, chunk *Chunk, end bool) {
	c.pending, c.last = chunk, end
	c.take()
}

// take collects what fits.
func (c *Collector) take() {
	chunk := c.pending
	for len(chunk.Bytes) > 0 && !c.full() {
		if len(c.queue) == 0 || c.fill == len(c.tail().Bytes()) {
			c.queue = append(c.queue, c.arena.Get(pool.ClassFor(min(c.most, pool.Large.Size()))))
			c.fill = 0
		}
		room := c.tail().Bytes()[c.fill:]
		n := copy(room[:min(len(room), c.most-c.size)], chunk.Bytes)
		c.fill += n
		c.size += n
		c.in.Advance(n)
	}
	if len(chunk.Bytes) == 0 {
		c.pending = nil
		c.ended = c.last
		c.in.Done()
	}
	if c.ended || c.full() {
		c.tell()
	}
	if c.asked {
		c.send()
	}
}

// full reports whether no more is to be collected before some has been sent.
func (c *Collector) full() bool { return c.size >= c.most || c.size > 0 && c.arena.Scarce() }

func (c *Collector) tail() *pool.Buffer { return c.queue[len(c.queue)-1] }

func (c *Collector) tell() {
	if !c.told {
		c.told = true
		c.in.loop.Settle(&c.task)
	}
}

// Run tells the keeper; it is called by the loop.
func (c *Collector) Run() {
	if c.keeper != nil {
		c.keeper.Collected(c)
	}
}

// Abort implements Sink: the source has failed. What came before goes on first.
func (c *Collector) Abort(_ *Flow, err error) {
	c.pending, c.err = nil, err
	c.tell()
	if c.asked {
		c.send()
	}
}

// Ended implements Owner. Everything that matters was heard as a sink.
func (c *Collector) Ended(*Flow, error) {}

// Proceed implements Source.
func (c *Collector) Proceed(f *Flow) {
	c.out, c.asked = f, true
	c.send()
}

// send answers out if it can.
func (c *Collector) send() {
	switch {
	case len(c.queue) > c.next:
		first, n := c.queue[c.next], c.fill
		if len(c.queue)-c.next > 1 {
			n = len(first.Bytes())
		}
		if c.retain = c.retain && c.ended; c.retain {
			first.Retain()
			c.next++
		} else {
			c.queue = c.queue[:copy(c.queue, c.queue[1:])]
		}
		c.size -= n
		c.asked = false
		c.out.Send(Chunk{Bytes: first.Bytes()[:n], Owner: first}, c.ended && len(c.queue) == c.next)
		if c.pending != nil {
			c.take()
		}
	case c.err != nil:
		c.asked = false
		c.out.Fail(c.err)
	case c.ended:
		c.asked = false
		c.out.Send(Chunk{}, true)
	}
}

// Stop implements Source: nobody wants the rest.
func (c *Collector) Stop(_ *Flow, err error) {
	if !c.in.Closing() && c.in.state != Idle {
		c.in.Refuse(err)
	}
	c.drop()
}

func (c *Collector) drop() {
	for _, b := range c.queue {
		b.Release()
	}
	c.queue, c.next, c.size, c.fill, c.pending, c.asked, c.retain = nil, 0, 0, 0, nil, false, false
}

// Panicked implements loop.Victim: the keeper has to end what the stream belongs to.
func (c *Collector) Panicked() {
	if victim, ok := c.keeper.(loop.Victim); ok {
		victim.Panicked()
	}
}
