package sock

import "time"

// Every limit of this room, with its reason.
const (
	// turnBytes is how much one connection may bring in before the others get their turn: a few large chunks, about
	// 50 µs of copying.
	turnBytes = 256 << 10
	// spliceAfter is how much a direction must have moved in large reads before it is worth a pipe: two pipe
	// descriptors and the first splice cost as much as copying about 100 KiB.
	spliceAfter = 256 << 10
	// smallWrite is what waits for the end of a batch of events to leave with the rest of it.
	smallWrite = 4 << 10
	// queuedMax is how far small chunks are copied behind what is queued. Beyond it they wait for the peer, or one that takes
	// nothing would have the queue grow to its end.
	queuedMax = 8 << 10
	// sealMax is what is sealed before it is written: four full records, which leave by one call.
	sealMax = 64 << 10
	// recordMax is the longest record's plaintext (RFC 8446, 5.1). A record costs at most recordOverhead more (RFC 8446, 5.2
	// and RFC 5246, 6.2.3), and crypto/tls makes none shorter than recordLeast of a longer write.
	recordMax      = 16 << 10
	recordOverhead = 64
	recordLeast    = 1 << 10
	// recordCost is what opening a record takes of a turn, in bytes: about as long as copying that many, or the smallest of
	// records would let a peer take as much time as it likes.
	recordCost = 1 << 10
	// smallRead ends a bulk run: what comes in pieces below it is cheaper to copy.
	smallRead = 4 << 10
	// smallestSegment is what every TCP path carries in one segment (RFC 9293, 3.7.1).
	smallestSegment = 536
	// largeRead is how much of the largest buffer a flow reads into: what it becomes on its way out, framed and sealed, still
	// fits into the 45 segments of 1,448 bytes that the kernel sends at once, with nothing left over for a packet of its own.
	largeRead = 65000
	// spliceMax bounds one splice; pipes are usually full earlier, by slots.
	spliceMax = 1 << 20
	// acceptMax is the number of accepts per wake-up; the listener is level-triggered, so the rest is not lost.
	acceptMax = 16
	// acceptRetry is how long accepting pauses after the descriptors ran out.
	acceptRetry = 100 * time.Millisecond
	// shortageOver is how long accepting must have worked before a shortage of descriptors is said to be over.
	shortageOver = 5 * time.Second
	// drainMax bounds what a closing listener takes from its queue; kernels cap the queue far below it.
	drainMax = 65536
	// lingerMax is how many closed connections of a loop may wait for their last bytes to arrive before a reset.
	lingerMax = 1024
	// lingerTick is how often they are looked at, lingerStall how long they may make no progress, lingerTotal how
	// long they live at all.
	lingerTick  = 20 * time.Millisecond
	lingerStall = 2 * time.Second
	lingerTotal = 5 * time.Minute
	// farewellStall is how often a connection on its way out is looked at: one that takes nothing of its last message
	// for farewellLooks of them is given up, and after farewellTotal in any case. Once the message is with the kernel, a
	// peer that sends nothing more for one of them is closed, and any after drainTotal, or farewellBytes; these are
	// nginx's lingering_timeout and lingering_time.
	farewellStall = 5 * time.Second
	farewellLooks = 6
	farewellTotal = 5 * time.Minute
	drainTotal    = 30 * time.Second
	farewellBytes = 16 << 20
)
