package exchange

// State is how far an exchange has come.
type State uint8

// The states of an exchange.
const (
	Unused    State = iota // in its list
	Routing                // the route is looked for; gates are asked
	Working                // a handler works on the answer
	Answering              // the head of the answer has gone to the front; its body may follow
	Tunneling              // the connection has been switched: bytes go both ways
	Over                   // recorded; the front has been told
	states
)

var stateNames = [states]string{"unused", "routing", "working", "answering", "tunneling", "over"}

// String names the state.
func (s State) String() string { return stateNames[s] }

// moves is the table of allowed moves: moves[from] has a bit for each to.
var moves = [states]uint8{
	Unused:    1 << Routing,
	Routing:   1<<Working | 1<<Answering | 1<<Over,
	Working:   1<<Answering | 1<<Over,
	Answering: 1<<Tunneling | 1<<Over,
	Tunneling: 1 << Over,
	Over:      1 << Unused,
}

// set is the only place where an exchange's state changes.
func (x *Exchange) set(next State) {
	if moves[x.state]&(1<<next) == 0 {
		panic("exchange: " + x.state.String() + " → " + next.String())
	}
	x.state = next
}

// State tells how far the exchange has come.
func (x *Exchange) State() State { return x.state }

// answerState is how far the answer has come, which is asked for in places that do not care about the rest.
type answerState uint8

const (
	unanswered answerState = iota
	ready                  // the handler has filled it in
	headSent               // the front has its head
	whole                  // the front has all of it
)
