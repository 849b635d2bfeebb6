package sock

// Packing small reads.
//
// The small reads of one batch are written at its end, so many of them are in flight at once. In a buffer each, their
// first bytes would lie a power of two apart and compete for the same few cache lines; side by side in one buffer they
// do not. Each chunk holds a reference, and the net gives up its own in the turn that writes.

import "sluice/pool"

// packAlign keeps chunks off each other's cache lines.
const packAlign = 64

// room is where the next small read goes: 16 KiB, of which keep takes what was used.
func (n *Net) room() []byte {
	if n.packed == nil {
		n.packed, n.used = n.Buffers.Get(pool.Large), 0
		n.Loop.Later(&n.unpack)
	}
	return n.packed.Bytes()[n.used : n.used+pool.Medium.Size()]
}

// keep makes the first count bytes of the room a chunk's, who releases the buffer returned.
func (n *Net) keep(count int) *pool.Buffer {
	b := n.packed
	b.Retain()
	n.used += (count + packAlign - 1) / packAlign * packAlign
	if n.used+pool.Medium.Size() > pool.Large.Size() {
		n.dropPacked()
	}
	return b
}

func (n *Net) dropPacked() {
	if n.packed != nil {
		n.packed.Release()
		n.packed = nil
	}
}

// unpacker is a Net as the task that lets go of the buffer.
type unpacker Net

// Run lets go of the buffer.
func (u *unpacker) Run() { (*Net)(u).dropPacked() }
