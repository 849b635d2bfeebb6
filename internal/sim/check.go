package sim

// The checkers that need to know of no play: when an actor sees an end, and when the world is over.

import (
	"fmt"
	"reflect"

	"sluice/engine/stat"
)

// check is the last judgement.
func (w *World) check() {
	if len(w.faults) > 0 {
		return
	}
	w.rig.leftovers(func(what string, n int) {
		if n != 0 {
			w.fault("%s left behind: %d", what, n)
		}
	})
	if n := w.files.count(); n > 0 {
		w.fault("%d descriptors left open", n)
	}
	if n := w.timersLeft(); n > 0 {
		w.fault("%d timers left running", n)
	}
	if n := w.stats.Get(stat.Active); n != 0 {
		w.fault("the gauge of active connections says %d", int64(n))
	}
	w.play.judge()
}

// timersLeft looks into the loop's wheel. A timer left behind belongs to nobody, so nobody else could tell.
func (w *World) timersLeft() int {
	return int(reflect.ValueOf(w.loop).Elem().FieldByName("wheel").FieldByName("live").Int())
}

// checkEnd is called when an actor has read the end of the stream: somebody must have sent it, after everything else.
func (a *actor) checkEnd() {
	m := a.mate
	switch {
	case a.e.unix: // a cut looks the same
	case m == nil:
		if !a.w.somebodySilentEnded(!a.client) {
			a.w.fault("%s sees an end that nobody sent", a.name)
		}
	case m.e.unix && m.cut:
	case !m.sentEnd:
		a.w.fault("%s sees an end that %s did not send", a.name, m.name)
	case a.got != len(m.mine.bytes):
		a.w.fault("%s sees the end after %d of %d bytes", a.name, a.got, len(m.mine.bytes))
	}
}

// somebodySilentEnded looks for an actor without a partner who has ended without a byte.
func (w *World) somebodySilentEnded(client bool) bool {
	for _, m := range w.actors {
		if m.client == client && m.mate == nil && ((m.sentEnd && len(m.mine.bytes) == 0) || (m.e.unix && m.cut)) {
			return true
		}
	}
	return false
}

func unless(ok bool, format string, args ...any) string {
	if ok {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// census says who is left, for a world that does not come to rest.
func (w *World) census() (s string) {
	for _, x := range w.files.table {
		if x != nil && x.socket != nil {
			s += fmt.Sprintf(" %s(in %d, out %d)", x.socket.name, x.socket.in.len(), x.socket.out.len())
		}
	}
	return s
}

// mateEnd is the proxy's end of the connection to the other side.
func (a *actor) mateEnd() *end {
	if a.mate == nil {
		return nil
	}
	return a.mate.e.peer
}
