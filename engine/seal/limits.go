package seal

// Every limit of this room, with its reason.
const (
	// Queue is how many steps of one loop may wait for a worker: about a tenth of a second's work for one. Who would wait
	// longer is better told at once.
	Queue = 512
	// underMax is how many handshakes of the process may be under way, those that wait for their peers included: each
	// holds some 28 KiB, so 224 MiB in all. Deadlines and the limits on connections keep it from being reached.
	underMax = 8192
	// stepsMax is how many steps a handshake may take. Peers need two, three with a large chain; only one that cuts
	// its messages to crumbs needs dozens.
	stepsMax = 64
	// feedMax is what is read ahead of a step: the largest record twice.
	feedMax = 36 << 10
	// openMax is how many records one Read opens: a full buffer of those that hold 1 KiB. Between two with data crypto/tls
	// takes at most 16 without.
	openMax = 64
	// sparesMax is how many coroutines are kept for each worker that takes handshakes, with stacks of the size that handshakes need: as many as begin in a
	// burst.
	sparesMax = 32
	// textMax is the longest description of a failure, in bytes: what logs cut texts to.
	textMax = 255
)

// feedLeast is the room for one read: of what a client sends after its hello, or of a server's whole flight, which is
// seldom larger.
var feedLeast = [...]int{Server: 1 << 10, Client: 4 << 10}

// Whoever floods the proxy with hellos must not take from those who are inside what they need to reach a server: a part of
// both is for handshakes with servers only.
var (
	underMost = [...]int64{Server: underMax / 8 * 7, Client: underMax}
	spared    = [...]int{Server: Queue / 4, Client: 0}
)
