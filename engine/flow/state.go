package flow

// State is how far a flow has come. The owner learns the outcome from the ring, so the states on the way to an end
// (Finished, Refused, Failed) differ from the end itself.
type State uint8

// The states of a flow.
const (
	Idle     State = iota // never started
	Ready                 // the source has been, or is about to be, asked to proceed
	Sending               // a chunk is with the sink
	Finished              // the sink has passed on the end; the owner is about to be told
	Refused               // the sink gave up; source and owner are about to be told
	Failed                // the source gave up and the sink knows; the owner is about to be told
	Ended                 // over: everything arrived
	Aborted               // over: cut short
	states
)

var stateNames = [states]string{"idle", "ready", "sending", "finished", "refused", "failed", "ended", "aborted"}

// String names the state.
func (s State) String() string { return stateNames[s] }

// moves is the table of allowed moves: moves[from] has a bit for each to.
var moves = [states]uint16{
	Idle:     1 << Ready,
	Ready:    1<<Sending | 1<<Failed | 1<<Refused | 1<<Aborted,
	Sending:  1<<Ready | 1<<Finished | 1<<Failed | 1<<Refused | 1<<Aborted,
	Finished: 1<<Ended | 1<<Aborted,
	Refused:  1 << Aborted,
	Failed:   1 << Aborted,
	Ended:    1 << Ready,
	Aborted:  1 << Ready,
}

// set is the only place where a flow's state changes.
func (f *Flow) set(next State) {
	if moves[f.state]&(1<<next) == 0 {
		panic("flow: " + f.state.String() + " → " + next.String())
	}
	f.state = next
}

// Over reports whether the flow has ended or was aborted, and its owner told.
func (f *Flow) Over() bool { return f.state == Ended || f.state == Aborted }

// Delivered reports whether the sink has passed on the end of the stream.
func (f *Flow) Delivered() bool { return f.state == Finished || f.state == Ended }

// Closing reports whether nothing more will move: the flow is over, or its outcome is about to be told.
func (f *Flow) Closing() bool { return f.state > Sending }

// State tells how far the flow has come.
func (f *Flow) State() State { return f.state }
