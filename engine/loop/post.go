package loop

import "sync"

// mailbox is the only door into a loop from other goroutines.
//
// Its lock is held for an append or a swap, never while a letter runs, and not for the wake-up, which the loop answers by
// taking the lock: a poster of little priority would be off the core by then, with the lock in its hands. Nothing on the
// path of relayed bytes comes here. It is bounded by its senders: a listener posts at most one resume per pause and one
// letter per accepted connection (which max_connections bounds), the engine one per command.
type mailbox struct {
	mu      sync.Mutex
	letters []func()
	closed  bool
	wakers  sync.WaitGroup // who have posted, and are about to wake the loop
}

// put reports whether the letter was taken. The first since the box was last emptied wakes the loop.
func (m *mailbox) put(letter func(), wake func() error) (taken bool) {
	taken, first := m.add(letter)
	if first {
		_ = wake() // it cannot fail while the poller is open
		m.wakers.Done()
	}
	return taken
}

// add appends the letter. Who is first wakes the loop, and is one of the wakers until that is done.
func (m *mailbox) add(letter func()) (taken, first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false, false
	}
	m.letters = append(m.letters, letter)
	if first = len(m.letters) == 1; first {
		m.wakers.Add(1)
	}
	return true, first
}

func (m *mailbox) take() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	letters := m.letters
	m.letters = nil
	return letters
}

// close ends it. Nobody wakes the loop any more when it returns: the descriptor for that may be closed.
func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	m.letters = nil
	m.mu.Unlock()
	m.wakers.Wait()
}

// Post runs letter on the loop's goroutine, soon and in the order of posting. It may be called from anywhere, also
// from the loop itself. It reports false when the loop has ended; the letter is then never run.
func (l *Loop) Post(letter func()) bool { return l.mail.put(letter, l.poller.Wake) }

// Posted runs the letters that have arrived.
func (l *Loop) Posted() {
	l.now = l.poller.Now()
	for _, letter := range l.mail.take() {
		l.runLetter(letter)
		l.settle()
	}
}

func (l *Loop) runLetter(letter func()) {
	defer l.rescue(nil)
	letter()
}
