package origin

import (
	"time"

	"sluice/bench/epoll"
)

// timer says when a connection that is held goes on.
type timer struct {
	at   time.Duration // since the origin began
	conn epoll.Token
}

// timers is a binary heap with the earliest at the front. A timer is not removed when
// its connection ends; it then fires for nobody.
type timers []timer

func (t *timers) push(one timer) {
	*t = append(*t, one)
	h := *t
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if h[up].at <= h[i].at {
			return
		}
		h[up], h[i] = h[i], h[up]
		i = up
	}
}

// pop removes the earliest; there must be one.
func (t *timers) pop() timer {
	h := *t
	first, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	*t = h
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			return first
		}
		if down+1 < last && h[down+1].at < h[down].at {
			down++
		}
		if h[i].at <= h[down].at {
			return first
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
}

// hold lets a connection wait.
func (o *Origin) hold(fd int, c *conn, d time.Duration) {
	c.held = true
	o.timers.push(timer{time.Since(o.base) + d, epoll.Token{Slot: int32(fd), Gen: c.gen}})
}

// fireTimers goes on with the connections whose time has come.
func (o *Origin) fireTimers() {
	if len(o.timers) == 0 {
		return
	}
	now := time.Since(o.base)
	for len(o.timers) > 0 && o.timers[0].at <= now {
		t := o.timers.pop().conn
		if c := &o.conns[t.Slot]; c.open && c.gen == t.Gen && c.held && !c.hung {
			c.held = false
			o.serve(int(t.Slot), epoll.Event{})
		}
	}
}
