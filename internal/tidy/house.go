package tidy

import "slices"

// House is the law of this tree: rooms stand in rows, and a room imports lower rows only.
func House() Rules {
	return Rules{
		Module:     "sluice",
		Arrows:     arrows,
		Sizes:      Sizes{FileTarget: 400, FileHard: 600, FunctionTarget: 40, FunctionHard: 70, PackageHard: 3000, ParametersHard: 4},
		LoopOwned:  []string{"pool", "engine/**"},
		LoopFree:   []string{"engine", "engine/observe", "engine/health", "engine/discover", "engine/steward", "engine/watch", "engine/certs", "engine/machine", "engine/events"},
		Exceptions: exceptions,
	}
}

// Libraries by what they are for. A room gets those it was built on and no others.
var (
	sys      = []string{"golang.org/x/sys/**"}
	gnet     = []string{"github.com/panjf2000/gnet/v2/pkg/**"}
	yaml     = []string{"github.com/goccy/go-yaml/**"}
	dns      = []string{"github.com/miekg/dns"}
	ocsp     = []string{"golang.org/x/crypto/ocsp"}
	fasthttp = []string{"github.com/valyala/fasthttp"}
	hpack    = []string{"golang.org/x/net/http2/**"}
	quic     = []string{"github.com/quic-go/quic-go/**"}
	anything = []string{"**"}
)

// What each row may reach. Every room that runs on a loop may use all leaves; what lies between
// is listed room by room.
var (
	leaves = []string{"pool", "engine/stat", "engine/route", "configs", "engine/record", "engine/hello", "engine/limit", "engine/key", "engine/turns", "engine/roster", "engine/lookup"}

	upToLoop     = slices.Concat(leaves, []string{"engine/loop"})
	upToFlow     = slices.Concat(upToLoop, []string{"engine/flow"})
	upToSock     = slices.Concat(upToFlow, []string{"engine/proxyproto", "engine/seal", "engine/sock"})
	upToExchange = slices.Concat(upToFlow, []string{"engine/exchange"})
	upToWaist    = slices.Concat(upToSock, []string{"engine/exchange"})
)

// arrows is the table: who may import what, from the leaves up.
var arrows = []Arrow{
	// Row 0, the leaves: they import nothing of the house, and little else.
	{From: "pool", Libraries: sys},
	{From: "engine/stat"},
	{From: "engine/route"},
	{From: "engine/record"},
	{From: "engine/hello"},
	{From: "engine/key"},
	{From: "engine/turns"},
	{From: "engine/roster"},
	{From: "engine/lookup"},
	{From: "engine/limit", Libraries: sys},
	{From: "configs", To: []string{"configs/**"}, Libraries: yaml},
	{From: "configs/kinds", To: []string{"configs/literal"}},
	{From: "configs/table", To: []string{"configs/compare", "configs/foreign", "configs/kinds", "configs/literal", "configs/reference", "configs/tree"}},
	{From: "configs/**", Libraries: yaml},

	// Rows 1 to 3: the reactor, moving bytes, sockets; beside them the waist of requests.
	{From: "engine/loop", To: leaves, Libraries: slices.Concat(sys, gnet)},
	{From: "engine/proxyproto", To: leaves},
	{From: "engine/flow", To: upToLoop},
	{From: "engine/seal", To: upToLoop},
	{From: "engine/sock", To: slices.Concat(upToFlow, []string{"engine/seal"}), Libraries: slices.Concat(sys, gnet)},
	{From: "engine/exchange", To: upToFlow, Libraries: fasthttp},

	// Row 4: codecs, leases, features. Features see requests, never sockets.
	{From: "engine/h1", To: slices.Concat(upToWaist, []string{"engine/h1/wire"})},
	{From: "engine/h1/wire", To: upToExchange, Libraries: fasthttp},
	{From: "engine/h2", To: upToWaist, Libraries: hpack},
	{From: "engine/h3", To: upToExchange, Libraries: quic},
	{From: "engine/door", To: upToLoop},
	{From: "engine/lease", To: slices.Concat(upToSock, []string{"engine/door"})},
	{From: "engine/template", To: upToExchange},
	{From: "engine/feature/**", To: slices.Concat(upToExchange, []string{"engine/template"}), Libraries: anything},
	{From: "engine/health", To: []string{"configs", "engine/record"}},
	{From: "engine/events"},
	{From: "engine/machine", To: []string{"configs", "pool"}, Libraries: sys},
	{From: "engine/watch", Libraries: sys},
	{From: "engine/certs", To: []string{"configs", "configs/credential", "engine/record", "engine/watch"}, Libraries: ocsp},
	{From: "engine/discover", To: []string{"configs", "engine/watch"}, Libraries: slices.Concat(sys, dns)},
	{From: "engine/observe", To: []string{"engine/record", "engine/stat", "configs"}, Libraries: anything},

	// Row 5: what a connection is for.
	{From: "engine/relay", To: slices.Concat(upToSock, []string{"engine/lease"})},
	{From: "engine/upstream", To: slices.Concat(upToWaist, []string{"engine/lease"})},

	{From: "engine/steward", To: slices.Concat(leaves, []string{"engine/lease", "engine/health", "engine/discover", "engine/observe"})},

	// Rows 6 and 7: the only wiring place, the product, and its measure, which talks to
	// processes and not to packages.
	{From: "engine", To: []string{"pool", "engine/**", "configs"}, Libraries: anything},
	{From: "bench/**", To: []string{"bench/**", "configs"}, Libraries: anything},
	{From: "cmd/**", To: []string{"engine", "engine/observe", "configs", "bench/**", "cmd/**"}, Libraries: anything},

	// Helpers of tests. The simulator and the conversations run the real rooms.
	{From: "internal/assert"},
	{From: "internal/tidy", To: []string{"internal/assert"}},
	{From: "internal/**", To: []string{"internal/**", "engine/**", "pool", "configs"}, Libraries: anything},
}

// exceptions lists where a room of the loop does what such rooms must not, and why it may.
var exceptions = []Exception{
	{"engine/loop/epoll.go", "time.Now", "the one place that asks the machine for the time; everybody else is told"},
	{"engine/loop/epoll.go", "time.Since", "the one place that asks the machine for the time; everybody else is told"},
	{"engine/limit/store.go", "sync.Mutex", "limiter cells are shared on purpose; one lock a shard, held for a look-up"},
	{"engine/lease/upstream.go", "sync.Mutex", "guards lists that stewards and reloads look at, and no loop"},
	{"engine/door/door.go", "sync.Mutex", "guards the one queue of all loops, which is touched only when an upstream is full"},
	{"engine/upstream/budget.go", "sync.Mutex", "guards a few sums, looked at only when a request is to be tried again"},
	{"engine/loop/work.go", "go", "the workers themselves: a fixed number of goroutines for what would hold a loop up"},
	{"engine/loop/work.go", "sync.Mutex", "guards the queues between loops and workers; held for a few pointers, never while work runs"},
	{"engine/loop/post.go", "sync.Mutex", "the only door from other goroutines; held for an append or a swap"},
	{"engine/sock/gate.go", "sync.Mutex", "guards the list of a gate's listeners: taken when one comes or goes, or wakes up from a pause, never for a connection"},
}
