package load

import (
	"bytes"
	"cmp"

	"sluice/bench/wire"
)

// speech is what all connections of a run say, made once.
type speech struct {
	// greeting goes before everything else, once per connection; WebSocket only.
	greeting []byte
	// batch is as many requests as may be under way, request the length of one; for a
	// stream, its period.
	batch   []byte
	request int
	// unit is by how much work an answer counts; see Result.Units.
	unit     int64
	listener listener
}

// listener tells answers apart and checks them.
type listener interface {
	// feed takes bytes of an answer, at most to its end, and returns how many. The
	// answer is complete or something is wrong with it, or more must come.
	feed(a *answer, b []byte) (n int, done bool, bad kind)
}

// answer reads one answer, over any split of its bytes, and checks it.
type answer struct {
	offset int64 // bytes that have been checked
	head   []byte
	http   body
	// refused is a status that is not accepted. unmeasured marks an answer whose bytes
	// are not ours to know, and last one that ends the connection.
	refused    int
	unmeasured bool
	last       bool
}

// reset makes ready for the next answer and keeps the memory.
func (a *answer) reset() { *a = answer{head: a.head[:0]} }

// untilEnd reports whether nothing but the end of the connection ends the answer.
func (a *answer) untilEnd() bool { return a.http.stage == untilEnd }

func newSpeech(o *Options) speech {
	host := cmp.Or(o.Host, wire.Host)
	switch {
	case o.Stream != "":
		period := make([]byte, wire.Period)
		wire.Fill(period)
		return speech{batch: period, unit: int64(o.Size)}
	case o.Protocol == TCP:
		message := make([]byte, o.Message)
		wire.Fill(message)
		return repeat(message, o.Pipeline, speech{unit: int64(o.Message), listener: echo{int64(o.Message)}})
	case o.Protocol == WebSocket:
		s := speech{greeting: wire.UpgradeTo(host, o.target(cmp.Or(o.Path, "/ws"))), unit: int64(o.Message)}
		s.listener = newFrames(o.Message)
		return repeat(wire.Message(o.Message), o.Pipeline, s)
	}
	s := speech{unit: int64(o.Size), listener: newChecker(o)}
	target := o.target(wire.Target(o.Path, o.Size))
	if o.Expect == Any {
		target, s.unit = o.target(cmp.Or(o.Path, "/")), 1
	}
	request := wire.Get(host, target)
	if o.Post > 0 {
		request = wire.PostTo(host, target, o.Post)
	}
	return repeat(request, o.Pipeline, s)
}

// repeat fills in the batch.
func repeat(request []byte, times int, s speech) speech {
	s.batch, s.request = bytes.Repeat(request, times), len(request)
	return s
}

// target is a path with the query.
func (o *Options) target(path string) string {
	if o.Query == "" {
		return path
	}
	return path + "?" + o.Query
}
