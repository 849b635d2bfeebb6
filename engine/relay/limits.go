package relay

import "time"

// Every fixed limit of this room, with its reason. The configured ones are in Timeouts.
const (
	// probeAfter is when a connection to a server is set up to be probed by keepalive: most are over by then, and are
	// spared the system calls.
	probeAfter = 5 * time.Second
	// lastWords is how long a direction whose source is broken may stand still before what it still holds is given up.
	lastWords = 100 * time.Millisecond
	// lastWordsTotal is how long it may go on at all.
	lastWordsTotal = 10 * time.Second
	// proxyRoom holds the longest header we send: version 1 with two IPv6 addresses.
	proxyRoom = 107
)
