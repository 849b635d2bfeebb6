package sim

// What seeds of the web must have been about, and the faults that are planted into the code under test itself.

import (
	"fmt"

	"sluice/engine/exchange"
	"sluice/engine/record"
)

// The events of the web, behind those of the kernel and of tunnels.
const (
	answered Event = events + iota
	pageRead
	answerCut
	interimSeen
	reused
	idleLeft
	earlyAnswer
	triedTwice
	gateParked
	switched
	tunnelWhole
	badAsked
	badReplied
	statusPassed
	bodyReplayed
	retriedUnsent
	retriedStale
	retriedReset
	retriedStatus
	retriedLate
	retriedDown
	stuck
	unstuck
	webEvents
)

// webKernel are the kernel's events that seeds of the web must see too.
var webKernel = []Event{
	ShortWrite, EAGAINStorm, TwoParts, HalfClose, Spliced, SpliceStopped, NumberReused, SpuriousHint, AcceptEMFILE,
	AcceptAborted, DialEMFILE, DialUnreachable, DialRefused, DialHung, DataAfterClose, Lingered, Stalled, Vanished,
	ResetWithUnsent, BacklogWait, ProxySent, ServerDown, SetPanics, ServerRemoved, ServerLeftInUse, ServerReturned, LimitChanged,
	Waits, TurnTaken,
}

// webReasons are the endings that the web can bring about.
var webReasons = []record.Reason{
	record.FDExhausted, record.HeaderTimeout, record.BadRequest, record.URITooLong, record.HeaderTooLarge,
	record.NotImplemented, record.BadExpectation, record.NotFound, record.BodyTimeout, record.BodyTooLarge,
	record.UpstreamFull, record.NoServer, record.QueueTimeout, record.MarkedDown, record.ConnectRefused, record.ConnectTimeout, record.ConnectUnreachable, record.ClientGone,
	record.Done, record.AnswerTimeout, record.AnswerBad, record.AnswerCut, record.AnswerIdle, record.WriteTimeout,
	record.ClientEnd, record.ServerEnd, record.ClientReset, record.ServerReset, record.TunnelIdle, record.HalfClosedIdle,
	record.Stopped,
}

// missingOfWeb names what happened less often than least.
func (c *Coverage) missingOfWeb(least int) (names []string) {
	seen := webKernel
	for e := answered; e < webEvents; e++ {
		seen = append(seen, e)
	}
	for _, e := range seen {
		if c.events[e] < least {
			names = append(names, fmt.Sprintf("%s: %d", e, c.events[e]))
		}
	}
	for _, r := range webReasons {
		if c.reasons[r] < least {
			names = append(names, fmt.Sprintf("exchanges that ended in %s: %d", r, c.reasons[r]))
		}
	}
	return names
}

// stubborn is a planted fault: it says of every connection that it can be used again.
type stubborn struct{ exchange.Back }

// Finish implements exchange.Back.
func (s stubborn) Finish() bool {
	s.Back.Finish()
	return true
}
