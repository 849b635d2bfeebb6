package health

import "time"

// Every limit of this room, with its reason. What users set is in configs.Check.
const (
	// checksMax is the number of checks under way in the whole process. Each costs a descriptor, a goroutine and at most headMax + bodyMax,
	// so all of them stay below 30 MiB. When more servers hang than that, checks wait for their turn, and the times that
	// the package promises stretch.
	checksMax = 256
	// headMax bounds the head of an answer, as a listener's does by default; bodyMax what is matched of its body.
	headMax = 16 << 10
	bodyMax = 64 << 10
	// jitter is the part of an interval by which it may be shorter or longer, so that many proxies do not check in step.
	jitter = 0.1
	// spreadMax is how long the first checks of new servers may take to begin: long enough that 1,000 of them are not one burst.
	spreadMax = time.Second
	// farewellMax is how long a check waits for the server to close first. A close with unread bytes would be a reset, which
	// servers log as an error.
	farewellMax = 100 * time.Millisecond
	// troubleEvery keeps a shortage that comes and goes from filling the log.
	troubleEvery = time.Minute
	// causeMax bounds what is said about a failure: certificates list names, and servers answer nonsense at length.
	causeMax = 200
)

// agent is the User-Agent of checks, unless the user names another.
const agent = "sluice"
