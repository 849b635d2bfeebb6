package sim

import (
	"fmt"
	"strings"

	"sluice/engine/record"
)

var eventTexts = [secureEvents]string{
	"short writes", "times without memory", "headers joined with data", "half-closes", "splices", "splices that stopped early",
	"numbers of closed descriptors used again", "hints for nothing",
	"accepts without descriptors", "accepts of aborted connections", "dials without descriptors", "dials without a way",
	"dials refused", "dials never answered", "servers replaced by others", "data for closed sockets", "descriptors that lingered",
	"probes turned on", "actors that stood still", "actors that vanished", "resets while the other side stood still",
	"resets that destroyed data", "resets behind which everything arrived", "urgent bytes", "PROXY headers in pieces", "hellos in pieces", "PROXY headers sent", "waits in the backlog",
	"tunnels complete both ways", "bytes after the peer's half-close", "runs without the relay",
	"servers marked down", "sets that panic", "servers removed", "servers removed while in use", "servers back before they had finished",
	"limits changed", "batches with somebody in the queue", "turns taken",
	"answers by servers, whole", "answers by the proxy, whole", "answers cut", "interim answers", "connections used again",
	"idle connections that servers closed", "answers before the end of the request", "requests tried twice",
	"requests parked by a gate", "switches", "tunnels whole", "malformed requests", "malformed answers",
	"statuses passed on although another server might do better", "bodies sent again", "tries again of what was never sent", "tries again on new connections",
	"tries elsewhere after resets", "tries elsewhere after statuses", "tries elsewhere after timeouts", "tries elsewhere after servers went down",
	"asks that a cookie led to their server", "asks whose cookie was no use",

	KeysUpdated: "updates of keys", Truncated: "ends without close_notify", Garbled: "garbled bytes", ShakeLeft: "handshakes left in the middle",
	PlainSpoken: "clients without TLS",
}

// String says what is counted.
func (e Event) String() string { return eventTexts[e] }

// add adds what happened elsewhere.
func (c *Coverage) add(other *Coverage) {
	for e, n := range other.events {
		c.events[e] += n
	}
	for r, n := range other.reasons {
		c.reasons[r] += n
	}
}

// missing names what happened less often than least.
func (c *Coverage) missing(least int) (names []string) {
	for e, n := range c.events[:events] {
		if n < least {
			names = append(names, fmt.Sprintf("%s: %d", Event(e), n))
		}
	}
	for _, r := range reachable {
		if c.reasons[r] < least {
			names = append(names, fmt.Sprintf("connections that ended in %s: %d", r, c.reasons[r]))
		}
	}
	return names
}

// reachable are the endings that a simulated world can bring about. Missing are those that need a configuration
// without simulation (client_ip, drain), and Internal, which is a fault.
var reachable = []record.Reason{
	record.PerIPLimit, record.FDExhausted, record.ProxyHeaderTimeout, record.ProxyHeaderBad, record.ProxyHeaderMissing,
	record.HelloTimeout, record.HelloBad, record.NotTLS, record.NoRoute, record.UpstreamFull, record.NoServer, record.QueueTimeout, record.MarkedDown, record.ConnectRefused,
	record.ConnectTimeout, record.ConnectUnreachable, record.ClientGone, record.ClientEnd, record.ServerEnd,
	record.ClientReset, record.ServerReset, record.ClientLost, record.ServerLost, record.TunnelIdle, record.HalfClosedIdle,
}

// String lists everything that was counted.
func (c *Coverage) String() string {
	var b strings.Builder
	for e, n := range c.events[:secureEvents] {
		fmt.Fprintf(&b, "%8d %s\n", n, Event(e))
	}
	for r, n := range c.reasons {
		if n > 0 {
			fmt.Fprintf(&b, "%8d ended in %s\n", n, record.Reason(r))
		}
	}
	return b.String()
}
