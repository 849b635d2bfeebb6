package engine

// Reloads come one after the other. Whoever asks while one runs, gets the next one, together with all others who do: a
// storm of signals costs one reload more than the one that runs.

import (
	"sync"
	"time"

	"sluice/engine/observe"
)

// reloads is the queue, which is never longer than one.
type reloads struct {
	mu      sync.Mutex
	next    *outcome // asked for, and not begun; nil for none
	running bool
	over    bool
	worker  sync.WaitGroup
	state   observe.Configuration // what the outcomes were
}

// outcome is what becomes of a reload; to be read after done is closed.
type outcome struct {
	done chan struct{}
	made observe.Reloaded
	err  error
}

// ask returns the reload that will begin next.
func (r *reloads) ask(e *Engine) (*outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case e.Load == nil:
		return nil, errNoFile
	case r.over, e.life.Err() != nil:
		return nil, errEnding
	}
	if r.next == nil {
		r.next = &outcome{done: make(chan struct{})}
	}
	if !r.running {
		r.running = true
		r.worker.Go(func() { r.work(e) })
	}
	return r.next, nil
}

// work does what was asked for, until nothing more is.
func (r *reloads) work(e *Engine) {
	for o := r.take(); o != nil; o = r.take() {
		o.made, o.err = e.reload()
		r.note(o.err)
		close(o.done)
	}
}

func (r *reloads) take() *outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.next
	r.next, r.running = nil, o != nil
	return o
}

// note remembers the outcome for those who look.
func (r *reloads) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.state.Reloads++
		r.state.Refusal = nil
		return
	}
	r.state.Refused++
	r.state.Refusal = &observe.Refusal{At: time.Now().UTC(), Why: err.Error()}
}

// seen is a copy of what was noted.
func (r *reloads) seen() observe.Configuration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// shut refuses whatever comes, and waits for what is under way.
func (r *reloads) shut() {
	r.mu.Lock()
	r.over = true
	r.mu.Unlock()
	r.worker.Wait()
}
