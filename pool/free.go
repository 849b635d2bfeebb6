package pool

import "unsafe"

// FreeList hands out objects of one type and takes them back, for one loop: last in, first out,
// because the object put back last is the one still in the cache.
//
//	conns := pool.FreeList[Conn]{}
//	c := conns.Get()
//	...
//	*c = Conn{}
//	conns.Put(c)
//
// Small objects are carved from slabs of 64, so that 9,000 connections are some 140 allocations that lie
// densely. The price is that a slab lives as long as any object in it is reachable: after a
// peak the list keeps up to MaxIdle objects, and with them their slabs.
//
// The zero value is ready. The list belongs to one loop and has no lock. It never clears an
// object: Get returns a zero object or one exactly as it was put, and the caller resets it.
type FreeList[T any] struct {
	// MaxIdle bounds the objects kept for reuse; those put beyond it are left to the garbage
	// collector. Zero means DefaultMaxIdle. To be set before the first Get.
	MaxIdle int

	idle   []*T
	fresh  []T // the uncarved rest of the newest slab
	live   int
	parked map[*T]struct{} // what idle holds, kept only in Poison builds to catch a double Put
}

const (
	// DefaultMaxIdle is the number of idle objects a FreeList keeps when not told otherwise:
	// a loop's share of a busy proxy comes back after a burst without new slabs.
	DefaultMaxIdle = 4096

	// slabSize is large enough to make carving rare, small enough that a list which is used once
	// wastes little; slabBytes makes slabs of large objects shorter, because one object in use
	// keeps its whole slab.
	slabSize  = 64
	slabBytes = 16 << 10
)

// Get returns an object the caller owns until Put: a zero one or one as it was put.
func (f *FreeList[T]) Get() *T {
	f.live++
	if n := len(f.idle); n > 0 {
		x := f.idle[n-1]
		f.idle[n-1] = nil
		f.idle = f.idle[:n-1]
		if Poison {
			delete(f.parked, x)
		}
		return x
	}
	if len(f.fresh) == 0 {
		var one T
		f.fresh = make([]T, max(1, min(slabSize, slabBytes/max(1, int(unsafe.Sizeof(one))))))
	}
	x := &f.fresh[0]
	f.fresh = f.fresh[1:]
	return x
}

// Put takes x back. It must come from Get of this list and must not be touched afterwards. A Put
// too many panics when it shows in the count, and always in Poison builds.
func (f *FreeList[T]) Put(x *T) {
	if f.live == 0 {
		panic("pool: FreeList.Put without a Get: object put twice or not from this list")
	}
	f.live--
	if len(f.idle) >= f.maxIdle() {
		return
	}
	if Poison {
		f.park(x)
	}
	f.idle = append(f.idle, x)
}

// Live is the number of objects handed out and not yet put back.
func (f *FreeList[T]) Live() int { return f.live }

// Idle is the number of objects kept for reuse.
func (f *FreeList[T]) Idle() int { return len(f.idle) }

func (f *FreeList[T]) maxIdle() int {
	if f.MaxIdle == 0 {
		return DefaultMaxIdle
	}
	return f.MaxIdle
}

// park notes that x is idle and panics if it already was.
func (f *FreeList[T]) park(x *T) {
	if _, twice := f.parked[x]; twice {
		panic("pool: FreeList.Put of an object that was already put back")
	}
	if f.parked == nil {
		f.parked = make(map[*T]struct{})
	}
	f.parked[x] = struct{}{}
}
