package route

import "bytes"

// Tree finds the rule for a request by host, path and method. Of all rules that take the request, the one with the most specific host wins,
// then the most specific path, then the one that names the method. Every pattern knows the next less specific one, so a look-up finds the
// most specific pattern once and from there follows pointers:
//
//	hosts    a.b.example.com  →  *.b.example.com  →  *.example.com  →  rules without hosts
//	paths    /v1/users        →  /v1/us*          →  /v1/*          →  /*
//	methods  GET              →  rules without methods
//
// A host whose paths do not fit falls back to a less specific host, as a path whose methods do not fit falls back to a shorter prefix. "*.b"
// stands for one or more labels before ".b" and never for "b" itself. A Tree is immutable and safe for any number of readers; a look-up does
// not allocate.
type Tree[T any] struct {
	only     *choice[T]          // the rule that takes everything, when it is the whole table
	exact    map[string]*site[T] // by host
	suffixes map[string]*site[T] // "*.example" under "example"
	longest  int                 // bytes of the longest suffix: longer ends of a host need no look-up
	anyHost  *site[T]            // rules without hosts
}

// site holds the paths of one host pattern.
type site[T any] struct {
	up       *site[T] // the next less specific pattern that takes the same hosts
	exact    map[string]*place[T]
	prefixes []*place[T] // sorted by pattern; "" takes everything, also the target "*"
}

// place holds the rules of one path pattern of a site.
type place[T any] struct {
	up      *place[T] // the next shorter prefix of the same site
	pattern string
	named   []named[T] // rules with methods; so few that a map would be slower
	plain   *choice[T] // the rule without methods
}

// named is what a place has for one method.
type named[T any] struct {
	method string
	choice *choice[T]
}

// Found tells how far a look-up came.
type Found uint8

// The outcomes of Match.
const (
	Matched Found = iota // a rule takes the request
	NoPath               // rules take this host, but none its path and method: 404
	NoHost               // no rule takes this host: 421 (RFC 9110, 15.5.20)
)

// Match returns the value of the rule for a request, or why there is none. Host and path are in the form that NormalHost and NormalPath
// return; the host is empty when the request has none. All three slices are only read.
func (t *Tree[T]) Match(host, path, method []byte) (value T, found Found) {
	if t.only != nil {
		return t.only.value, Matched
	}
	found = NoHost
	for s := t.site(host); s != nil; s = s.up {
		found = NoPath
		for p := s.place(path); p != nil; p = p.up {
			if c := p.pick(method); c != nil {
				return c.value, Matched
			}
		}
	}
	return value, found
}

// site returns the most specific site that takes the host, nil if none does.
func (t *Tree[T]) site(host []byte) *site[T] {
	if s := t.exact[string(host)]; s != nil { // the compiler looks up string(bytes) without a copy
		return s
	}
	return t.wildcard(host)
}

// wildcard returns the most specific site that takes all hosts in the domain above host.
func (t *Tree[T]) wildcard(host []byte) *site[T] {
	for len(t.suffixes) > 0 {
		dot := bytes.IndexByte(host, '.')
		if dot < 0 {
			break
		}
		host = host[dot+1:]
		if len(host) > t.longest {
			continue
		}
		if s := t.suffixes[string(host)]; s != nil {
			return s
		}
	}
	return t.anyHost
}

// place returns the most specific place that takes the path, nil if none does.
func (s *site[T]) place(path []byte) *place[T] {
	if p := s.exact[string(path)]; p != nil {
		return p
	}
	return s.prefix(path)
}

// prefix returns the place with the longest prefix of path. What sorts between that prefix and the path begins with the prefix, too. So the
// last pattern not behind the path either is the one or leads up to it, and one binary search does what a radix tree would.
func (s *site[T]) prefix(path []byte) *place[T] {
	low, high := 0, len(s.prefixes) // prefixes[:low] sort before path or are it, prefixes[high:] sort behind it
	for low < high {
		if middle := int(uint(low+high) / 2); s.prefixes[middle].pattern <= string(path) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == 0 {
		return nil
	}
	p := s.prefixes[low-1]
	for p != nil && !p.begins(path) {
		p = p.up
	}
	return p
}

// begins tells whether the pattern is a prefix of path.
func (p *place[T]) begins(path []byte) bool {
	return len(p.pattern) <= len(path) && p.pattern == string(path[:len(p.pattern)])
}

// pick returns the rule that names the method, else the one that names none.
func (p *place[T]) pick(method []byte) *choice[T] {
	for i := range p.named {
		if p.named[i].method == string(method) {
			return p.named[i].choice
		}
	}
	return p.plain
}
