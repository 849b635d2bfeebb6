package exchange

// Tunnels: an exchange whose answer has switched protocols has two bodies without a length. Their ends are passed on one
// by one, and the exchange is over when both have ended, or one side is gone.

import (
	"sluice/engine/flow"
	"sluice/engine/record"
	"sluice/engine/stat"
)

// Switcher is a Serving that can become one end of a tunnel.
type Switcher interface {
	Serving
	// Switch makes the server's side a tunnel, and returns its two ends.
	Switch(x *Exchange) (flow.Source, flow.Sink)
}

// tunnel switches both sides.
func (x *Exchange) tunnel() {
	x.set(Tunneling)
	x.loop.Stats().Inc(stat.HTTPUpgrades)
	x.closing = true
	x.front.Switch(x)
	src, sink := x.Serving.(Switcher).Switch(x)
	x.upSource, x.outer = x.front.Source(x), src
	x.Up.Start(x.loop, x.upSource, sink, x)
	x.Down.Start(x.loop, src, x.front.Sink(x), x)
	x.expect(x.loop.Now() + int64(x.timeouts().Tunnel))
}

// tunnelEnded handles the end of one direction.
func (x *Exchange) tunnelEnded(f *flow.Flow, err error) {
	switch {
	case x.lost != record.None:
		if f == x.lastWords() {
			x.cut = true
			x.finish(x.lost, x.cause)
		}
	case err != nil:
		// The connection that has failed tells its owner as well, and before; so this is not expected.
		x.cut = true
		x.finish(record.Internal, err)
	case x.Up.Over() && x.Down.Over():
		x.delivered()
		x.finish(x.first, nil)
	default:
		x.halved = x.loop.Now()
		x.first = record.ServerEnd
		if f == &x.Up {
			x.first = record.ClientEnd
		}
		x.expect(x.halved + int64(x.timeouts().HalfClosed))
	}
}

// lose notes that one side of a tunnel is gone. What had come from it goes on to the other side first, as long as that
// takes it; the tunnel ends with it.
func (x *Exchange) lose(why record.Reason, cause error) {
	x.lost, x.cause = why, cause
	if x.lastWords().Closing() {
		x.cut = true
		x.finish(why, cause)
		return
	}
	x.waiting = x.loop.Now()
	x.downPace = pace{since: x.waiting, moved: x.lastMoved()}
	x.expect(x.waiting + int64(lastWords))
}

// lastWords is the flow out of the side that is gone.
func (x *Exchange) lastWords() *flow.Flow {
	if x.lost.Side() == record.Front {
		return &x.Up
	}
	return &x.Down
}
