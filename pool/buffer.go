// Package pool holds the memory and the pipes a loop reuses. Every pool here belongs to one loop:
// it has no lock, and everything it lends comes back on the same loop. Only a PipeBudget is
// shared, because file descriptors are.
//
//	Arena     counted buffers in three sizes     (buffer.go, arena.go)
//	Pipes     pipes to splice through            (pipe.go, budget.go, ospipes.go)
//	FreeList  objects of one type                (free.go)
//
// All are last in, first out (what was used last is still in the cache), all bound what they keep
// idle, and all panic when something comes back twice: a leak or a double release should be a loud
// test, not a quiet corruption in production.
package pool

import "bytes"

// Class is one of the three sizes a Buffer can have.
type Class uint8

// The classes, by what they are for.
const (
	Small  Class = iota // 4 KiB: heads, hellos, small answers
	Medium              // 16 KiB: one TLS record
	Large               // 64 KiB: bulk; as much as a pipe holds

	classes = 3
)

// classSizes lists the sizes in bytes. All are size classes of the Go allocator too, so that no
// buffer wastes a byte.
var classSizes = [classes]int{4 << 10, 16 << 10, 64 << 10}

// Size is the capacity in bytes of a buffer of this class.
func (c Class) Size() int { return classSizes[c] }

// ClassFor returns the smallest class that holds n bytes, or Large when none does: the caller of a
// larger transfer takes several turns.
func ClassFor(n int) Class {
	switch {
	case n <= classSizes[Small]:
		return Small
	case n <= classSizes[Medium]:
		return Medium
	}
	return Large
}

// Buffer is a counted piece of memory that belongs to one Arena and is used on its loop only. Get
// lends it with one reference; each Retain adds one and each Release takes one away; the last
// Release returns it to the arena, after which neither the Buffer nor its bytes may be touched.
type Buffer struct {
	mem   []byte
	arena *Arena
	next  *Buffer // link of the free list, nil while lent
	refs  int32
	class Class
}

// Bytes is the whole memory of the buffer, always of full capacity: what part of it is filled is
// the borrower's knowledge. It panics after the last Release.
func (b *Buffer) Bytes() []byte {
	if b.refs <= 0 {
		panic("pool: Buffer.Bytes after its last Release")
	}
	return b.mem
}

// Class is the size class of the buffer.
func (b *Buffer) Class() Class { return b.class }

// Retain adds a reference for a second holder, who owes a Release of its own.
func (b *Buffer) Retain() {
	if b.refs <= 0 {
		panic("pool: Buffer.Retain after its last Release")
	}
	b.refs++
}

// Shared reports whether somebody else holds a reference too, and may be reading the bytes.
func (b *Buffer) Shared() bool { return b.refs > 1 }

// Release gives one reference back; the last one returns the buffer to its arena. One Release too
// many panics.
func (b *Buffer) Release() {
	if b.refs <= 0 {
		panic("pool: Buffer released twice: it is already back in its arena")
	}
	if b.refs--; b.refs == 0 {
		b.arena.put(b)
	}
}

// poisonByte is easy to see in a dump and unlikely in any protocol.
const poisonByte = 0xDB

// poisoned is what the memory of an idle buffer must look like; it stays empty unless Poison.
var poisoned []byte

func init() {
	if Poison {
		poisoned = bytes.Repeat([]byte{poisonByte}, Large.Size())
	}
}

// poison overwrites released memory, so that whoever still reads it notices.
func poison(mem []byte) { copy(mem, poisoned) }

// checkPoison panics if somebody wrote to memory after it was released.
func checkPoison(mem []byte) {
	if !bytes.Equal(mem, poisoned[:len(mem)]) {
		panic("pool: Buffer was written to after its last Release")
	}
}
