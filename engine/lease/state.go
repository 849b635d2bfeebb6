package lease

// leaseState is how far a search has come.
type leaseState uint8

const (
	idle     leaseState = iota // in the free list
	picking                    // a server is being chosen
	queued                     // all that could serve are at their limits: it waits its turn
	clearing                   // another loop closes an idle connection, to make room for a new one
	dialing                    // its connection is under way
	securing                   // its handshake is under way
	handing                    // the taker is being given the connection
	over                       // the taker has been told, or does not want to know
	leaseStates
)

var leaseStateNames = [leaseStates]string{"idle", "picking", "queued", "clearing", "dialing", "securing", "handing", "over"}

// String names the state.
func (s leaseState) String() string { return leaseStateNames[s] }

// leaseMoves is the table of allowed moves: leaseMoves[from] has a bit for each to.
var leaseMoves = [leaseStates]uint8{
	idle:     1 << picking,
	picking:  1<<queued | 1<<clearing | 1<<dialing | 1<<handing | 1<<over,
	queued:   1<<picking | 1<<over,
	clearing: 1<<picking | 1<<over,
	dialing:  1<<picking | 1<<securing | 1<<handing | 1<<over,
	securing: 1<<picking | 1<<handing | 1<<over,
	handing:  1 << over,
}

// set is the only place where a lease's state changes.
func (l *Lease) set(next leaseState) {
	if leaseMoves[l.state]&(1<<next) == 0 {
		panic("lease: " + l.state.String() + " → " + next.String())
	}
	l.state = next
}
