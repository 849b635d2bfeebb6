package limit

import (
	"hash/maphash"
	"sync"

	"golang.org/x/sys/cpu"
)

// shardCount spreads keys over locks: many more than there are loops, so that two loops seldom meet in one. A power of two for the mask.
const shardCount = 64

// PerKey counts what is in use per key, such as connections per client address. A key exists only while something of it is in use, so the
// memory is bounded by that, and by a maximum of keys besides. Make it with NewPerKey.
//
// Its shards have a mutex, the only ones in a room that loops own: removing a key at zero and counting it up are one decision, which no
// single atomic covers once entries come and go. The section is one map operation, nothing inside can block or call out, and it is
// entered when a connection is accepted and when it ends, never for bytes.
type PerKey[K comparable] struct {
	keys   Slots // entries over all shards: exact, where a share per shard would refuse early on uneven hashes
	seed   maphash.Seed
	shards [shardCount]shard[K]
}

type shard[K comparable] struct {
	mu     sync.Mutex
	counts map[K]int64
	_      cpu.CacheLinePad
}

// NewPerKey returns an empty store for at most maxKeys different keys at once; 0 means no limit. A negative maxKeys panics.
func NewPerKey[K comparable](maxKeys int64) *PerKey[K] {
	p := &PerKey[K]{seed: maphash.MakeSeed()} // a seed of its own: clients choose their keys, and must not choose a shard
	p.keys.SetMax(maxKeys)
	for i := range p.shards {
		p.shards[i].counts = make(map[K]int64)
	}
	return p
}

// Acquire counts one more of key unless limit of it are in use (0 = no limit per key) and tells whether it did. A new key is refused when the
// store is full: refusing strangers keeps the limit true, forgetting someone would not. The maximum is an argument, so that a reload
// needs no walk over the store.
func (p *PerKey[K]) Acquire(key K, limit int64) bool {
	s := p.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.counts[key]
	if limit != 0 && n >= limit {
		return false
	}
	if n == 0 && !p.keys.Acquire() {
		return false
	}
	s.counts[key] = n + 1
	return true
}

// Release gives back what one successful Acquire of key took, on any loop. Without such an Acquire it panics.
func (p *PerKey[K]) Release(key K) {
	s := p.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch n := s.counts[key]; n {
	case 0:
		panic("limit: key released more often than acquired")
	case 1:
		delete(s.counts, key)
		p.keys.Release()
	default:
		s.counts[key] = n - 1
	}
}

// Used returns how many of key are in use at this moment.
func (p *PerKey[K]) Used(key K) int64 {
	s := p.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[key]
}

// Keys returns the number of keys of which something is in use.
func (p *PerKey[K]) Keys() int64 { return p.keys.Used() }

func (p *PerKey[K]) shard(key K) *shard[K] {
	return &p.shards[maphash.Comparable(p.seed, key)%shardCount]
}
