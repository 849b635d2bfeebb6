package pool

// Arena lends the buffers of one loop and keeps those that come back, one list per class.
//
//	arena := pool.NewArena(0)
//	b := arena.Get(pool.ClassFor(n))
//	copy(b.Bytes(), data)
//	b.Release()
//
// In a steady state Get and Release allocate nothing. What is kept idle is bounded in bytes over
// all classes together; when the bound is reached the class that hoards most gives way, so that a
// burst of small buffers cannot keep large ones from being reused. Buffers beyond the bound go to
// the garbage collector: each is an allocation of its own, of bytes only, which it need not scan.
type Arena struct {
	// Ample is how many bytes may be lent before those who could do with less should, see Scarce; 0 is no bound. To be
	// set before the first Get.
	Ample int

	idle      [classes]shelf
	headers   FreeList[Buffer]
	idleBytes int
	idleMax   int
	inUse     int
	usedBytes int
}

// shelf is the free list of one class, linked through the buffers themselves.
type shelf struct {
	top *Buffer
	len int
}

const (
	// DefaultIdleBytes is what an arena keeps for reuse: 64 directions in bulk transfer at once on
	// one loop, which is more than a core can keep busy.
	DefaultIdleBytes = 4 << 20

	// trimReserve is what Trim leaves of each class, in bytes: enough for the first connections
	// after a quiet time, nothing to worry about on an idle machine.
	trimReserve = 64 << 10
)

// NewArena returns an empty arena that keeps at most idleMax bytes idle; 0 means DefaultIdleBytes.
func NewArena(idleMax int) *Arena {
	if idleMax == 0 {
		idleMax = DefaultIdleBytes
	}
	return &Arena{idleMax: idleMax}
}

// Get lends a buffer of the class with one reference. Its content is undefined.
func (a *Arena) Get(c Class) *Buffer {
	b := a.take(c)
	if b == nil {
		b = a.headers.Get()
		*b = Buffer{mem: make([]byte, c.Size()), arena: a, class: c}
	} else if Poison {
		checkPoison(b.mem)
	}
	b.refs = 1
	a.inUse++
	a.usedBytes += c.Size()
	return b
}

// InUse is the number of buffers lent and not yet returned.
func (a *Arena) InUse() int { return a.inUse }

// InUseBytes is the memory of the buffers lent and not yet returned.
func (a *Arena) InUseBytes() int { return a.usedBytes }

// Scarce reports whether so much is lent that nobody should hold on to buffers for comfort.
func (a *Arena) Scarce() bool { return a.Ample > 0 && a.usedBytes >= a.Ample }

// IdleBytes is the memory kept for reuse.
func (a *Arena) IdleBytes() int { return a.idleBytes }

// Trim gives idle buffers to the garbage collector but for a small reserve of 64 KiB a class. The
// loop calls it when it has been quiet for a while.
func (a *Arena) Trim() {
	for c := range Class(classes) {
		for a.idle[c].len*c.Size() > trimReserve {
			a.drop(a.take(c))
		}
	}
}

// put takes back a buffer whose last reference is gone.
func (a *Arena) put(b *Buffer) {
	size := b.class.Size()
	a.inUse--
	a.usedBytes -= size
	if Poison {
		poison(b.mem)
	}
	for a.idleBytes+size > a.idleMax {
		hoarder := a.hoarder()
		if hoarder == b.class || a.idle[hoarder].len == 0 {
			a.drop(b)
			return
		}
		a.drop(a.take(hoarder))
	}
	s := &a.idle[b.class]
	b.next, s.top = s.top, b
	s.len++
	a.idleBytes += size
}

// take removes the buffer last put on the shelf of the class; nil when it is empty.
func (a *Arena) take(c Class) *Buffer {
	s := &a.idle[c]
	b := s.top
	if b == nil {
		return nil
	}
	s.top, b.next = b.next, nil
	s.len--
	a.idleBytes -= c.Size()
	return b
}

// drop forgets a buffer: its bytes go to the garbage collector, its header is used again.
func (a *Arena) drop(b *Buffer) {
	*b = Buffer{}
	a.headers.Put(b)
}

// hoarder is the class that keeps the most bytes idle.
func (a *Arena) hoarder() Class {
	most := Small
	for c := range Class(classes) {
		if a.idle[c].len*c.Size() > a.idle[most].len*most.Size() {
			most = c
		}
	}
	return most
}
