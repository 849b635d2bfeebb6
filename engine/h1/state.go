package h1

// frontState is how far a client's connection has come.
type frontState uint8

const (
	unused      frontState = iota // in its list
	accepted                      // no event yet
	introducing                   // the PROXY header is awaited
	greeting                      // the ClientHello is awaited
	securing                      // the handshake is under way
	idle                          // no byte of a request is here
	heading                       // some of a head is here
	exchanging                    // an exchange is under way
	closed                        // given back; freed in a later turn
	frontStates
)

var frontStateNames = [frontStates]string{"unused", "accepted", "introducing", "greeting", "securing", "idle", "heading", "exchanging", "closed"}

// String names the state.
func (s frontState) String() string { return frontStateNames[s] }

// frontMoves is the table of allowed moves: frontMoves[from] has a bit for each to.
var frontMoves = [frontStates]uint16{
	unused:      1 << accepted,
	accepted:    1<<introducing | 1<<greeting | 1<<idle | 1<<closed,
	introducing: 1<<greeting | 1<<idle | 1<<closed,
	greeting:    1<<securing | 1<<exchanging | 1<<closed, // an exchange only to refuse plain HTTP
	securing:    1<<idle | 1<<closed,
	idle:        1<<heading | 1<<exchanging | 1<<closed,
	heading:     1<<exchanging | 1<<closed,
	exchanging:  1<<idle | 1<<closed,
	closed:      1 << unused,
}

// set is the only place where a front's state changes.
func (f *front) set(next frontState) {
	if frontMoves[f.state]&(1<<next) == 0 {
		panic("h1: " + f.state.String() + " → " + next.String())
	}
	f.state = next
}

// backState is how far an answer has come.
type backState uint8

const (
	backUnused backState = iota // in its list
	awaiting                    // the head of the answer is awaited
	answering                   // the head has been told; the body is somebody else's to take
	tunneled                    // raw
	detached                    // finished or cancelled
	backStates
)

var backStateNames = [backStates]string{"unused", "awaiting", "answering", "tunneled", "detached"}

// String names the state.
func (s backState) String() string { return backStateNames[s] }

// backMoves is the table of allowed moves.
var backMoves = [backStates]uint8{
	backUnused: 1<<awaiting | 1<<detached, // given up before it begins: the request's head does not fit
	awaiting:   1<<answering | 1<<detached,
	answering:  1<<tunneled | 1<<detached,
	tunneled:   1 << detached,
	detached:   1 << backUnused,
}

// set is the only place where a back's state changes.
func (b *back) set(next backState) {
	if backMoves[b.state]&(1<<next) == 0 {
		panic("h1: " + b.state.String() + " → " + next.String())
	}
	b.state = next
}
