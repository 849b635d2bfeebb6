package flow

// Collectors between a scripted source and a scripted sink: what is kept back, how much of it, and that it all comes home.

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"sluice/internal/assert"
	"sluice/pool"
)

// store is a scene whose flow goes through a collector: the scene is the source of what is collected and the keeper, and
// sink takes what comes out.
type store struct {
	*scene
	c    *Collector
	out  Flow
	sink drain
	told int
}

// drain is a sink that takes as much as it is told to.
type drain struct {
	*scene
	got  []byte
	hold bool
	ends int
	err  error
	flow *Flow
	c    *Chunk
	end  bool
}

func (d *drain) Write(f *Flow, c *Chunk, end bool) {
	d.flow, d.c, d.end = f, c, end
	if !d.hold {
		d.take()
	}
}

func (d *drain) take() {
	d.got = append(d.got, d.c.Bytes...)
	if d.end {
		d.ends++
	}
	d.flow.Advance(d.c.Len())
	d.flow.Done()
}

func (d *drain) Abort(_ *Flow, err error) { d.err = err }

func (s *store) Collected(c *Collector) {
	s.told++
	if c != s.c {
		s.t.Error("told of another collector")
	}
}

func newStore(t *testing.T, most int) *store {
	s := &store{scene: newScene(t)}
	s.sink.scene = s.scene
	s.c = NewCollector(s.loop, most, s.arena, s)
	s.c.Begin(s.scene)
	s.settle()
	return s
}

// give sends text in a buffer of its own, as the answer to a Proceed.
func (s *store) give(text string, end bool) {
	s.t.Helper()
	b := s.arena.Get(pool.Large)
	n := copy(b.Bytes(), text)
	s.c.in.Send(Chunk{Bytes: b.Bytes()[:n], Owner: b}, end)
	s.settle()
}

// open lets what is collected go on.
func (s *store) open() {
	s.out.Start(s.loop, s.c, &s.sink, s)
	s.settle()
}

// home checks the end.
func (s *store) home() {
	s.t.Helper()
	s.settle()
	assert.Equal(s.t, s.arena.InUse(), 0)
	assert.Equal(s.t, len(s.c.queue)+s.c.size, 0)
}

func TestCollectorTellsWhenThereIsEnough(t *testing.T) {
	t.Parallel()
	s := newStore(t, 10)
	s.give("01234", false)
	s.give("5678", false)
	assert.Equal(t, []any{s.told, s.c.Complete(), s.c.Collected()}, []any{0, false, uint64(9)})
	s.give("9", false)
	assert.Equal(t, []any{s.told, s.c.Complete(), s.c.Err()}, []any{1, false, nil})
	s.open()
	assert.Equal(t, string(s.sink.got), "0123456789")
	s.give("more", true)
	assert.Equal(t, []any{string(s.sink.got), s.sink.ends, s.told}, []any{"0123456789more", 1, 1})
	assert.Equal(t, s.out.State(), Ended)
	s.home()
}

func TestCollectorTellsWhenThereIsNoMore(t *testing.T) {
	t.Parallel()
	for name, give := range map[string]func(s *store){
		"the end with the last bytes": func(s *store) { s.give("hello", true) },
		"the end by itself":           func(s *store) { s.give("hello", false); s.give("", true) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, 10)
			give(s)
			assert.Equal(t, []any{s.told, s.c.Complete()}, []any{1, true})
			s.open()
			assert.Equal(t, []any{string(s.sink.got), s.sink.ends}, []any{"hello", 1})
			s.home()
		})
	}
	s := newStore(t, 10) // nothing at all
	s.give("", true)
	assert.Equal(t, []any{s.told, s.c.Complete()}, []any{1, true})
	s.open()
	assert.Equal(t, []any{string(s.sink.got), s.sink.ends}, []any{"", 1})
	s.home()
}

// A chunk that is larger than what may be kept waits for its end, with its source: nobody asks that for more.
func TestCollectorIsBounded(t *testing.T) {
	t.Parallel()
	s := newStore(t, 10)
	s.log = nil
	s.give("0123456789abcdefghijklmno", false)
	s.expect()
	assert.Equal(t, []any{s.told, s.c.Collected(), s.c.Inner().Stalled()}, []any{1, uint64(10), true})
	s.sink.hold = true
	s.open()
	assert.Equal(t, string(s.sink.c.Bytes), "0123456789")
	assert.Equal(t, s.c.Collected(), uint64(20)) // the next ten, beside those on their way
	s.expect()
	s.sink.take()
	s.settle()
	s.expect("proceed") // now all of it has found room
	s.sink.take()
	s.settle()
	s.sink.take()
	s.settle()
	assert.Equal(t, string(s.sink.got), "0123456789abcdefghijklmno")
	s.give("", true)
	s.sink.take()
	s.home()
}

// When memory is scarce, a collector makes do with what it has: the stream goes on, piece by piece, and comes to its end.
func TestCollectorYieldsWhenMemoryIsScarce(t *testing.T) {
	t.Parallel()
	s := newStore(t, 1<<20)
	s.arena.Ample = 1
	s.give("01234", false)
	assert.Equal(t, []any{s.told, s.c.Collected()}, []any{1, uint64(5)})
	s.give("56789", true)
	assert.Equal(t, []any{s.c.Collected(), s.c.Inner().Stalled()}, []any{uint64(5), true})
	s.open()
	assert.Equal(t, []any{string(s.sink.got), s.sink.ends, s.told}, []any{"0123456789", 1, 1})
	s.home()
}

// Any sizes, any order of giving and taking: the bytes come out as they went in, and memory keeps within its bound.
func TestCollectorAgainstItsModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 5))
		most := 1 + rng.IntN([]int{10, 5000, 200_000}[rng.IntN(3)])
		s := newStore(t, most)
		var sent []byte
		left, opened, ended := rng.IntN(30), false, false
		s.sink.hold = true
		for step := 0; s.out.State() != Ended; step++ {
			if step > 2000 {
				t.Fatalf("seed %d: stuck, in %s, out %s", seed, s.c.in.State(), s.out.State())
			}
			if s.c.in.State() == Ready && !ended && rng.IntN(2) == 0 {
				text := bytes.Repeat([]byte{byte(len(sent))}, min(10*most, 1+rng.IntN([]int{5, 700, 60_000}[rng.IntN(3)])))
				sent = append(sent, text...)
				left--
				ended = left <= 0
				s.give(string(text), ended)
			}
			if !opened && s.told > 0 {
				opened = true
				s.open()
			}
			if s.out.Stalled() && rng.IntN(3) > 0 {
				s.sink.take()
				s.settle()
			}
			if s.c.size > most {
				t.Fatalf("seed %d: %d bytes are kept, of %d", seed, s.c.size, most)
			}
			if bound := most/pool.Small.Size() + 4; s.arena.InUse() > bound {
				t.Fatalf("seed %d: %d buffers for %d bytes", seed, s.arena.InUse(), most)
			}
		}
		if !bytes.Equal(s.sink.got, sent) || s.sink.ends != 1 || s.told != 1 {
			t.Fatalf("seed %d: %d bytes of %d, %d ends, told %d times", seed, len(s.sink.got), len(sent), s.sink.ends, s.told)
		}
		s.home()
	}
}

// What came before a failure goes on first.
func TestCollectorFails(t *testing.T) {
	t.Parallel()
	t.Run("before anybody takes", func(t *testing.T) {
		s := newStore(t, 10)
		s.give("hello", false)
		s.c.in.Fail(errBroken)
		s.settle()
		assert.Equal(t, []any{s.told, s.c.Err(), s.c.Complete()}, []any{1, errBroken, false})
		s.open()
		assert.Equal(t, []any{string(s.sink.got), s.sink.err, s.sink.ends}, []any{"hello", errBroken, 0})
		assert.Equal(t, s.out.State(), Aborted)
		s.home()
	})
	t.Run("while they wait for more", func(t *testing.T) {
		s := newStore(t, 5)
		s.give("hello", false)
		s.open()
		s.c.in.Fail(io.ErrUnexpectedEOF)
		s.settle()
		assert.Equal(t, []any{string(s.sink.got), s.sink.err}, []any{"hello", io.ErrUnexpectedEOF})
		s.home()
	})
	t.Run("with a chunk of it on its way", func(t *testing.T) {
		s := newStore(t, 5)
		s.give("hello", false)
		s.sink.hold = true
		s.open()
		s.give("world", false)
		s.c.in.Fail(errBroken)
		s.settle()
		assert.Equal(t, s.sink.err, nil)
		s.sink.take()
		s.settle()
		s.sink.take()
		s.settle()
		assert.Equal(t, []any{string(s.sink.got), s.sink.err}, []any{"helloworld", errBroken})
		s.home()
	})
	t.Run("with some of it not even collected", func(t *testing.T) {
		s := newStore(t, 5)
		s.give("hello world", false)
		s.c.in.Fail(errBroken) // a source may cut its chunk short
		s.settle()
		s.open()
		assert.Equal(t, []any{string(s.sink.got), s.sink.err}, []any{"hello", errBroken})
		s.home()
	})
	t.Run("nobody takes", func(t *testing.T) {
		s := newStore(t, 10)
		s.give("hello", false)
		s.c.in.Fail(errBroken)
		s.settle()
		s.c.Cancel()
		s.home()
	})
}

func TestCollectorIsStopped(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(s *store){
		"while it collects":        func(s *store) { s.give("01234", false); s.give("56789", false); s.open() },
		"with more than it keeps":  func(s *store) { s.sink.hold = true; s.give("0123456789abcdefghijklmno", false); s.open() },
		"with a chunk at the sink": func(s *store) { s.sink.hold = true; s.give("0123456789", false); s.open() },
		"when it has everything":   func(s *store) { s.sink.hold = true; s.give("01234", true); s.open() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, 10)
			prepare(s)
			asking := !s.c.in.Closing()
			s.log = nil
			s.out.Refuse(errBroken)
			s.settle()
			want := []string{"ended: broken"} // of the flow out
			if asking {
				want = append(want, "stop: broken") // the source hears that nobody wants it
			}
			assert.Equal(t, fmt.Sprint(s.log), fmt.Sprint(want))
			s.home()
		})
	}
}

// Cancel tells nobody, at whatever point, and may come twice.
func TestCollectorIsCancelled(t *testing.T) {
	t.Parallel()
	steps := []func(s *store){
		func(s *store) { s.give("01234", false) },
		func(s *store) { s.give("0123456789", false) },
		func(s *store) { s.sink.hold = true; s.open() },
		func(s *store) { s.sink.take(); s.settle() },
		func(s *store) { s.sink.hold = false; s.sink.take(); s.settle() },
		func(s *store) { s.give("x", true) },
	}
	for at := range len(steps) + 1 {
		s := newStore(t, 10)
		for _, step := range steps[:at] {
			step(s)
		}
		told := s.told
		s.out.Cancel()
		s.c.Cancel()
		s.c.Cancel()
		s.log = nil
		s.home()
		s.expect()
		assert.Equal(t, s.told, told)
	}
	s := newStore(t, 3) // with its own telling in the ring
	b := s.arena.Get(pool.Small)
	s.c.in.Send(Chunk{Bytes: b.Bytes()[:5], Owner: b}, false)
	s.c.Cancel()
	s.home()
	assert.Equal(t, s.told, 0)
}

// A second sink goes on where the first one was taken away from, and the first one hears nothing more.
func TestCollectorIsRecalled(t *testing.T) {
	t.Parallel()
	s := newStore(t, 5)
	s.give("hello", false)
	s.open()
	assert.Equal(t, string(s.sink.got), "hello")
	s.c.Recall()
	s.out.Cancel()
	s.give("world", false)
	assert.Equal(t, string(s.sink.got), "hello")
	second, again := drain{scene: s.scene}, Flow{}
	again.Start(s.loop, s.c, &second, s)
	s.settle()
	assert.Equal(t, string(second.got), "world")
	s.give("!", true)
	assert.Equal(t, []any{string(second.got), second.ends}, []any{"world!", 1})
	s.home()
}

// Withdraw tells a source that has been asked, and none that has given; Begun tells those apart for good.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.start()
	assert.Equal(t, s.flow.Begun(), false)
	s.flow.Withdraw()
	s.over(Aborted)
	s.expect("proceed", "stop: <nil>")

	s.start()
	s.send("a", false)
	s.flow.Withdraw()
	assert.Equal(t, s.flow.Begun(), true)
	s.over(Aborted)
	s.expect("proceed", `write "a" false`)
	s.flow.Withdraw() // what is over stays so
	assert.Equal(t, s.ends, 0)
}
