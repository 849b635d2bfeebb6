package sim

import "sluice/engine/record"

// Event is something a simulation is worth running for.
type Event uint8

// The events that are counted. A test demands that each has happened often enough over all its seeds.
const (
	ShortWrite Event = iota
	EAGAINStorm
	TwoParts
	HalfClose
	Spliced
	SpliceStopped
	NumberReused
	SpuriousHint
	AcceptEMFILE
	AcceptAborted
	DialEMFILE
	DialUnreachable
	DialRefused
	DialHung
	Failover
	DataAfterClose
	Lingered
	Probed
	Stalled
	Vanished
	ResetWhileStalled
	ResetWithUnsent
	LastWords
	UrgentData
	HeaderSplit
	HelloSplit
	ProxySent
	BacklogWait
	Complete
	LateHalf
	PairRun
	ServerDown
	SetPanics
	ServerRemoved
	ServerLeftInUse
	ServerReturned
	LimitChanged
	Waits
	TurnTaken
	events
)

// The events of worlds with TLS, behind those of all plays.
const (
	KeysUpdated Event = 64 + iota
	Truncated
	Garbled
	ShakeLeft
	PlainSpoken
	secureEvents
)

// eventRoom holds these, and those of plays that have their own behind them.
const eventRoom = 80

// Coverage counts what happened. It can be added up over seeds.
type Coverage struct {
	events  [eventRoom]int
	reasons [record.ReasonCount]int
}

func (c *Coverage) hit(e Event) { c.events[e]++ }
