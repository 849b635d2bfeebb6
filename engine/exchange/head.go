package exchange

// A Head is the start line and the fields of one message, the same for every protocol.
//
// The fields are an ordered list of spans over one arena. A codec loads the bytes it has received and adds a span per
// field, so reading a head copies it once; edits append to the arena or drop a field in place; nothing is sorted, merged
// or re-cased, because order, case and repeats arrive as they were sent:
//
//	h.Load(raw)                                  // once, by the codec
//	h.AddSpan(exchange.Host, name, value)        // per field
//	h.Set("X-Forwarded-Proto", "https")          // edits
//	for i := range h.Fields() { … }              // in order; skip what is Gone
//
// A Head belongs to an exchange and is used again for the next one: what its methods return is valid until Reset, and
// until the next edit unless said otherwise.

import "bytes"

// Span is a piece of a head's arena.
type Span struct{ At, Len uint32 }

// Field is one field line.
type Field struct {
	Name, Value Span
	ID          ID
	Gone        bool // removed: not to be sent
}

// Head is the ordered fields of a message. The zero value is an empty head.
type Head struct {
	// Method and Target are a request's: the target in origin form ("/path?query"), "*", or a CONNECT's authority.
	Method, Target Span
	// Authority is a request's host and port as the client named it, from the Host field or its protocol's equivalent.
	Authority Span
	// Reason is a response's reason phrase; protocols without one leave it empty.
	Reason Span
	// Status is a response's, 100 to 999.
	Status int

	arena  []byte
	fields []Field
	seen   uint64 // bit per ID that some field had
}

const (
	// arenaKept and fieldsKept are what a head keeps for its next use; a larger one is left to the collector, so that
	// a burst of huge heads does not stay in memory.
	arenaKept  = 4 << 10
	fieldsKept = 64
)

// Reset empties the head for its next use.
func (h *Head) Reset() {
	arena, fields := h.arena[:0], h.fields[:0]
	if cap(arena) > arenaKept {
		arena = nil
	}
	if cap(fields) > fieldsKept {
		fields = nil
	}
	*h = Head{arena: arena, fields: fields}
}

// Load copies the bytes of a whole head into the arena, from offset 0 on. It must come first after Reset.
func (h *Head) Load(raw []byte) { h.arena = append(h.arena[:0], raw...) }

// Bytes returns the bytes of s.
func (h *Head) Bytes(s Span) []byte { return h.arena[s.At : s.At+s.Len : s.At+s.Len] }

// Store copies b into the arena and returns where.
func (h *Head) Store(b []byte) Span {
	at := len(h.arena)
	h.arena = append(h.arena, b...)
	return Span{uint32(at), uint32(len(b))}
}

// StoreString is Store for a string.
func (h *Head) StoreString(s string) Span {
	at := len(h.arena)
	h.arena = append(h.arena, s...)
	return Span{uint32(at), uint32(len(s))}
}

// Scratch lends the arena to an append-style function and returns what it has appended.
func (h *Head) Scratch(fill func([]byte) []byte) Span {
	at := len(h.arena)
	h.arena = fill(h.arena)
	return Span{uint32(at), uint32(len(h.arena) - at)}
}

// AddSpan appends a field whose name and value lie in the arena already.
func (h *Head) AddSpan(id ID, name, value Span) {
	h.fields = append(h.fields, Field{Name: name, Value: value, ID: id})
	h.seen |= 1 << id
}

// Add appends a field.
func (h *Head) Add(name string, value []byte) {
	n := h.StoreString(name)
	h.AddSpan(Known(name), n, h.Store(value))
}

// AddString appends a field.
func (h *Head) AddString(name, value string) {
	n := h.StoreString(name)
	h.AddSpan(Known(name), n, h.StoreString(value))
}

// Fields returns all fields in order, those that are Gone included. They may be changed in place, but for their ID.
func (h *Head) Fields() []Field { return h.fields }

// Size is the memory the head's bytes take.
func (h *Head) Size() int { return len(h.arena) }

// Has reports whether a field of that known name is there. Other is not a name.
func (h *Head) Has(id ID) bool { return h.seen&(1<<id) != 0 && h.Index(id) >= 0 }

// Index is the place of the first field of a known name, or −1.
func (h *Head) Index(id ID) int {
	if h.seen&(1<<id) == 0 {
		return -1
	}
	for i := range h.fields {
		if h.fields[i].ID == id && !h.fields[i].Gone {
			return i
		}
	}
	return -1
}

// Value returns the value of the first field of a known name, nil without one.
func (h *Head) Value(id ID) []byte {
	if i := h.Index(id); i >= 0 {
		return h.Bytes(h.fields[i].Value)
	}
	return nil
}

// Get returns the value of the first field called name, in any case.
func (h *Head) Get(name string) (value []byte, ok bool) {
	if i := h.find(name, 0); i >= 0 {
		return h.Bytes(h.fields[i].Value), true
	}
	return nil, false
}

// find is the place of the first field called name from place on, or −1.
func (h *Head) find(name string, from int) int {
	id := Known(name)
	if id != Other && h.seen&(1<<id) == 0 {
		return -1
	}
	for i := from; i < len(h.fields); i++ {
		f := &h.fields[i]
		if f.Gone || f.ID != id || int(f.Name.Len) != len(name) {
			continue
		}
		if id != Other || equalFold(h.Bytes(f.Name), name) {
			return i
		}
	}
	return -1
}

// Set gives the first field called name the value, in its place, removes the others, and appends one when there is none.
func (h *Head) Set(name string, value []byte) { h.SetSpan(name, h.Store(value)) }

// SetString is Set for a string.
func (h *Head) SetString(name, value string) { h.SetSpan(name, h.StoreString(value)) }

// SetSpan is Set for a value that lies in the arena already.
func (h *Head) SetSpan(name string, value Span) {
	i := h.find(name, 0)
	if i < 0 {
		h.AddSpan(Known(name), h.StoreString(name), value)
		return
	}
	h.fields[i].Value = value
	h.removeFrom(name, i+1)
}

// Remove removes every field called name.
func (h *Head) Remove(name string) { h.removeFrom(name, 0) }

func (h *Head) removeFrom(name string, from int) {
	for i := h.find(name, from); i >= 0; i = h.find(name, i+1) {
		h.fields[i].Gone = true
	}
}

// Drop removes every field of a known name. Other is not a name.
func (h *Head) Drop(id ID) {
	if h.seen&(1<<id) == 0 {
		return
	}
	for i := range h.fields {
		if h.fields[i].ID == id {
			h.fields[i].Gone = true
		}
	}
	h.seen &^= 1 << id
}

// Path is the target without its query.
func (h *Head) Path() []byte {
	target := h.Bytes(h.Target)
	if at := bytes.IndexByte(target, '?'); at >= 0 {
		return target[:at]
	}
	return target
}

// Query is what follows the first "?" of the target; nil without one.
func (h *Head) Query() []byte {
	target := h.Bytes(h.Target)
	if at := bytes.IndexByte(target, '?'); at >= 0 {
		return target[at+1:]
	}
	return nil
}

// equalFold compares a name with another, without regard to the case of ASCII letters.
func equalFold(b []byte, name string) bool {
	for i, c := range b {
		d := name[i]
		if c != d && lower(c) != lower(d) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
