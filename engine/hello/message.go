package hello

// This file reads the message itself (RFC 8446, 4.1.2): fixed fields and vectors first, then the three extensions a route can depend on.
//
//	version 2 │ random 32 │ session_id <1> │ ciphers <2> │ compression <1> │ extensions <2>: (type 2 │ data <2>)*
//
// <n> is a vector with an n-byte length before it.

// Hello is what a ClientHello says about its destination. With an encrypted ClientHello (ECH) it is what the outer, public one says. The
// protocol list refers to memory the parser was given; the server name is the Hello's own copy.
type Hello struct {
	protocols []byte // ProtocolNameList's content: each name behind its length byte, validated
	version   uint16
	seen      seen
	nameLen   uint8
	name      [maxServerName]byte // inline: lower-casing must not touch bytes that are forwarded, and must not allocate
}

// seen has a bit for each extension met, because none may come twice.
type seen uint8

const (
	seenServerName seen = 1 << iota
	seenALPN
	seenVersions
)

// ServerName returns the requested host name: validated, in lower case, without a final dot; nil when the hello has none. The slice is
// valid until h is filled again.
func (h *Hello) ServerName() []byte {
	if h.nameLen == 0 {
		return nil
	}
	return h.name[:h.nameLen]
}

// HasName tells whether the client named a server.
func (h *Hello) HasName() bool { return h.nameLen > 0 }

// ALPN returns the offered protocols in the client's order and in wire form (RFC 7301, 3.1: each name behind its length byte); nil when
// there are none. It is what routing takes as it is.
func (h *Hello) ALPN() []byte { return h.protocols }

// Protocols yields each offered protocol in the client's order, without allocating: for name := range h.Protocols { … }.
func (h *Hello) Protocols(yield func(name []byte) bool) {
	for list := h.protocols; len(list) > 0; {
		end := 1 + int(list[0])
		if !yield(list[1:end]) {
			return
		}
		list = list[end:]
	}
}

// HasProtocol tells whether the client offers the protocol name, such as "h2".
func (h *Hello) HasProtocol(name string) bool {
	for offered := range h.Protocols {
		if string(offered) == name {
			return true
		}
	}
	return false
}

// Version returns the highest TLS version offered, such as 0x0304 for TLS 1.3.
func (h *Hello) Version() uint16 { return h.version }

// parse fills h from the message's body.
func (h *Hello) parse(body []byte) Reason {
	h.protocols, h.seen, h.nameLen = nil, 0, 0
	r := reader{rest: body}
	h.version = r.uint16()
	r.take(32) // random
	r.vector8()
	r.vector16()
	r.vector8()
	if r.short {
		return ReasonMalformed
	}
	if len(r.rest) == 0 {
		return ReasonNone // before TLS 1.3 the extensions may be absent (RFC 5246, 7.4.1.2)
	}
	extensions := reader{rest: r.vector16()}
	if r.short || len(r.rest) > 0 {
		return ReasonMalformed
	}
	for len(extensions.rest) > 0 {
		kind := extensions.uint16()
		data := extensions.vector16()
		if extensions.short {
			return ReasonMalformed
		}
		if reason := h.extension(kind, data); reason != ReasonNone {
			return reason
		}
	}
	return ReasonNone
}

// extension reads one extension if a route can depend on it. Only for those a second one is refused: which of two counts would be a guess
// that the backend may make differently.
func (h *Hello) extension(kind uint16, data []byte) Reason {
	var bit seen
	var parse func(*Hello, []byte) Reason
	switch kind {
	case extServerName:
		bit, parse = seenServerName, (*Hello).parseServerName
	case extALPN:
		bit, parse = seenALPN, (*Hello).parseALPN
	case extVersions:
		bit, parse = seenVersions, (*Hello).parseVersions
	default:
		return ReasonNone
	}
	if h.seen&bit != 0 {
		return ReasonDuplicate
	}
	h.seen |= bit
	return parse(h, data)
}

// parseALPN validates ProtocolNameList (RFC 7301, 3.1): neither the list nor a name may be empty.
func (h *Hello) parseALPN(data []byte) Reason {
	r := reader{rest: data}
	list := r.vector16()
	if r.short || len(r.rest) > 0 || len(list) == 0 {
		return ReasonALPN
	}
	for names := (reader{rest: list}); len(names.rest) > 0; {
		if name := names.vector8(); names.short || len(name) == 0 {
			return ReasonALPN
		}
	}
	h.protocols = list
	return ReasonNone
}

// parseVersions takes the highest version of supported_versions (RFC 8446, 4.2.1), which overrides the message's own. GREASE values
// (RFC 8701) and drafts have another first byte than 3.
func (h *Hello) parseVersions(data []byte) Reason {
	r := reader{rest: data}
	list := r.vector8()
	if r.short || len(r.rest) > 0 || len(list) == 0 || len(list)%2 != 0 {
		return ReasonVersions
	}
	h.version = 0
	for versions := (reader{rest: list}); len(versions.rest) > 0; {
		if v := versions.uint16(); v>>8 == majorVersion {
			h.version = max(h.version, v)
		}
	}
	return ReasonNone
}

// reader takes fields from the front of a message. The first one that is not there in full sets short, and all later ones are empty:
// a parser may read a group of fields and check once.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.rest, r.short = nil, true
		return nil
	}
	field := r.rest[:n:n]
	r.rest = r.rest[n:]
	return field
}

func (r *reader) uint8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.take(2); b != nil {
		return uint16(b[0])<<8 | uint16(b[1])
	}
	return 0
}

func (r *reader) vector8() []byte { return r.take(int(r.uint8())) }

func (r *reader) vector16() []byte { return r.take(int(r.uint16())) }
