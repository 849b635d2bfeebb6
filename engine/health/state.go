package health

// The verdict about a server, from one check to the next. It is pure: it is told what a check found and answers whether that changes
// anything. Single failures and single successes are only a suspicion, which shortens the interval until it is settled.
//
//	up ── failure ──► falling ── fall in a row ──► down ── success ──► rising ── rise in a row ──► up
//	 ◄──── success ─────┘                            ◄──── failure ─────┘

// state is where a server stands.
type state uint8

const (
	up      state = iota // it serves; the last check passed, or none was made yet
	falling              // it serves; the last checks failed, but fewer than fall
	down                 // it does not serve; the last check failed, or it was told to be down
	rising               // it does not serve; the last checks passed, but fewer than rise
	states
)

var stateNames = [states]string{"up", "falling", "down", "rising"}

// String names the state as operators see it.
func (s state) String() string { return stateNames[s] }

// stateMoves is the table of allowed moves: stateMoves[from] has a bit for each to. Where one check decides, up and down follow directly.
var stateMoves = [states]uint8{
	up:      1<<falling | 1<<down,
	falling: 1<<up | 1<<down,
	down:    1<<rising | 1<<up,
	rising:  1<<up | 1<<down,
}

// health is the state of a server and the evidence against it.
type health struct {
	state   state
	against int // checks in a row that contradict serves
}

// set is the only place where the state of a server changes.
func (h *health) set(next state) {
	if stateMoves[h.state]&(1<<next) == 0 {
		panic("health: " + h.state.String() + " → " + next.String())
	}
	h.state = next
}

// serves reports whether the server gets traffic.
func (h *health) serves() bool { return h.state == up || h.state == falling }

// wavers reports whether the next check should come soon.
func (h *health) wavers() bool { return h.state == falling || h.state == rising }

// note takes the finding of one check. If that turns the verdict it returns the number of checks in a row that did it, else 0.
func (h *health) note(ok bool, fall, rise int) int {
	if h.serves() {
		return h.weigh(ok, fall, [...]state{up, falling, down})
	}
	return h.weigh(!ok, rise, [...]state{down, rising, up})
}

// weigh is one check on the way from the firm state way[0] over the wavering way[1] to way[2]: it agrees with the first, or is one more
// of the limit that lead to the last.
func (h *health) weigh(agrees bool, limit int, way [3]state) int {
	if agrees {
		h.against = 0
		h.move(way[0])
		return 0
	}
	h.against++
	if h.against < limit {
		h.move(way[1])
		return 0
	}
	after := h.against
	h.against = 0
	h.move(way[2])
	return after
}

// move sets a state unless that is the state already.
func (h *health) move(next state) {
	if h.state != next {
		h.set(next)
	}
}
