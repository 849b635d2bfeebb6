package relay

// tunnelState is how far a connection has come.
type tunnelState uint8

const (
	unused   tunnelState = iota // in the free list
	accepted                    // waiting for the first event
	reading                     // waiting for the PROXY header
	greeting                    // waiting for the ClientHello
	securing                    // the handshake with the client is under way
	leasing                     // waiting for a connection to a server
	relaying                    // both sides are connected; bytes may move
	dying                       // one side is broken; what it had sent is still on its way to the other
	ended                       // everything is given back but the tunnel itself
	tunnelStates
)

var tunnelStateNames = [tunnelStates]string{"unused", "accepted", "reading", "greeting", "securing", "leasing", "relaying", "dying", "ended"}

// String names the state.
func (s tunnelState) String() string { return tunnelStateNames[s] }

// tunnelMoves is the table of allowed moves: tunnelMoves[from] has a bit for each to.
var tunnelMoves = [tunnelStates]uint16{
	unused:   1 << accepted,
	accepted: 1<<reading | 1<<greeting | 1<<leasing | 1<<ended,
	reading:  1<<greeting | 1<<leasing | 1<<ended,
	greeting: 1<<securing | 1<<leasing | 1<<ended,
	securing: 1<<leasing | 1<<ended,
	leasing:  1<<relaying | 1<<ended,
	relaying: 1<<dying | 1<<ended,
	dying:    1 << ended,
	ended:    1 << unused,
}

// set is the only place where a tunnel's state changes.
func (t *tunnel) set(next tunnelState) {
	if tunnelMoves[t.state]&(1<<next) == 0 {
		panic("relay: " + t.state.String() + " → " + next.String())
	}
	t.state = next
}
