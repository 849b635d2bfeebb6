package sock

// connState is how far a connection has come. Its two halves end independently of it: see the flags ended and shut.
type connState uint8

const (
	free       connState = iota // in the free list
	connecting                  // dialed or accepted; the first event, which tells the outcome, has not come yet
	open                        // bytes may move
	closing                     // forgotten by the loop; the descriptor is closed in a later turn
	connStates
)

var connStateNames = [connStates]string{"free", "connecting", "open", "closing"}

// String names the state.
func (s connState) String() string { return connStateNames[s] }

// connMoves is the table of allowed moves: connMoves[from] has a bit for each to.
var connMoves = [connStates]uint8{
	free:       1 << connecting,
	connecting: 1<<open | 1<<closing,
	open:       1 << closing,
	closing:    1 << free,
}

// set is the only place where a connection's state changes.
func (c *Conn) set(next connState) {
	if connMoves[c.state]&(1<<next) == 0 {
		panic("sock: " + c.state.String() + " → " + next.String())
	}
	c.state = next
}

// flag is one remembered fact about a connection.
type flag uint32

const (
	readable flag = 1 << iota // an edge said so and no read has disproved it
	writable                  // likewise
	readShut                  // the poller has seen the peer's end of stream: all its bytes are already here
	rough                     // a short read does not prove an empty queue (urgent data, unix sockets)
	ended                     // the end of stream has been read
	shut                      // the end of stream has been sent
	lazy                      // a dialed TCP connection that has written at most once: Nagle's rule is still on
	wrote                     // it has written once
	told                      // the owner has been told of the cause
	wanted                    // the source flow waits for bytes
	unseen                    // bytes read ahead that the peeker has not been shown
	unsplice                  // the kernel refused to splice this one
	stream                    // a unix socket: no ports, no resets
	again                     // its task was already queued when it was closed
	framed                    // the chunk being written is part of a message: what is queued may stay behind it
	watched                   // the owner waits for the peer's end of stream
	awaited                   // the owner waits for the queued bytes to leave
	left                      // queued bytes have left since the mark
	sealing                   // a TLS handshake is under way
	opaque                    // TLS: a short read proves nothing
	wet                       // TLS: readable, of the ciphertext: the kernel may have more
)

func (c *Conn) has(f flag) bool { return c.flags&f != 0 }
func (c *Conn) add(f flag)      { c.flags |= f }
func (c *Conn) clear(f flag)    { c.flags &^= f }
