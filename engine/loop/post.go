package loop

import "sync"

// mailbox is the only door into a loop from other goroutines.
//
// Its lock is held for an append, a wake-up or a swap, never while a letter runs; nothing on the path of relayed bytes comes
// here. It is bounded by its senders: a listener posts at most one resume per pause and one letter per accepted
// connection (which max_connections bounds), the engine one per command.
type mailbox struct {
	mu      sync.Mutex
	letters []func()
	closed  bool
}

// put reports whether the letter was taken. The first since the box was last emptied wakes the loop, while the lock is
// held: the loop closes the box under it before it closes the descriptor that wakes it.
func (m *mailbox) put(letter func(), wake func() error) (taken bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.letters = append(m.letters, letter)
	if len(m.letters) == 1 {
		_ = wake() // it cannot fail while the poller is open
	}
	return true
}

func (m *mailbox) take() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	letters := m.letters
	m.letters = nil
	return letters
}

func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.letters = nil
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
