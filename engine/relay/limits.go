package relay

import "time"

// Every fixed limit of this room, with its reason. The configured ones are in Timeouts.
const (
	// probeAfter is when a connection to a server is set up to be probed by keepalive: most are over by then, and are
	// spared the system calls.
	probeAfter = 5 * time.Second
	// lastWords is how long a direction whose source is broken may stand still before what it still holds is given up.
	// A slow reader moves in steps: windows reopen late, a lost segment costs a retransmission timeout or two.
	lastWords = 2 * time.Second
	// lastWordsTotal is how long it may go on at all, and lastWordsTick how often it is looked at.
	lastWordsTotal = 5 * time.Minute
	lastWordsTick  = 100 * time.Millisecond
	// proxyRoom holds the longest header we send: version 1 with two IPv6 addresses.
	proxyRoom = 107
)
