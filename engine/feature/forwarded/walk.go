package forwarded

// Who is the client? Each proxy adds, at the right end, the address it was spoken to from. So the list is read from there,
// for as long as those who wrote it are trusted; what stands left of the first stranger may be anybody's invention, and
// need not even be well-formed. Two ways to write an element, one walk:
//
//	X-Forwarded-For: 203.0.113.9, [2001:db8::1]:443
//	Forwarded: for=203.0.113.9, for="[2001:db8::1]:443";proto=https

import (
	"bytes"
	"net/netip"
	"unsafe"

	"sluice/engine/exchange"
)

// hopsMax bounds the walk. No request has passed that many proxies, all of them trusted.
const hopsMax = 100

// walk follows the fields called id from the right, beginning with a trusted peer, and returns the first that is not
// trusted, or the last that can be read. The port is 0 where none is told.
func (g *gate) walk(h *exchange.Head, id exchange.ID, client netip.AddrPort) netip.AddrPort {
	fields, hops := h.Fields(), 0
	for i := len(fields) - 1; i >= 0; i-- {
		if fields[i].ID != id || fields[i].Gone {
			continue
		}
		list := h.Bytes(fields[i].Value)
		for len(list) > 0 {
			var element []byte
			list, element = cutLast(list)
			if len(element) == 0 {
				continue // lists may have empty elements (RFC 9110, section 5.6.1.2)
			}
			next, ok := parse(id, element)
			if hops++; !ok || hops > hopsMax {
				return client
			}
			client = next
			if !g.trusted.Contains(client.Addr()) {
				return client
			}
		}
	}
	return client
}

// cutLast divides a list at its last comma outside of quotes. Quotes are counted from the right, so that one which is never
// closed, further left, cannot hide what a proxy has added. An escaped quote is counted like others: it may cut an element
// short or make it too long, but then the backslash is in it, and parse refuses that.
func cutLast(list []byte) (rest, last []byte) {
	quoted := false
	for i := len(list) - 1; i >= 0; i-- {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return list[:i], trim(list[i+1:])
		}
	}
	return nil, trim(list)
}

func parse(id exchange.ID, element []byte) (netip.AddrPort, bool) {
	if id == exchange.Forwarded {
		return parseElement(element)
	}
	return parseNode(element)
}

// parseElement finds the one "for" of an element of Forwarded (RFC 7239, section 4).
func parseElement(element []byte) (node netip.AddrPort, ok bool) {
	if bytes.IndexByte(element, '\\') >= 0 {
		return node, false // no address needs one, and what it escapes is beyond cutLast
	}
	for len(element) > 0 {
		var pair []byte
		pair, element = cutPair(element)
		name, value, _ := bytes.Cut(pair, []byte("="))
		if !bytes.EqualFold(trim(name), []byte("for")) {
			continue
		}
		if ok {
			return node, false // section 4: each parameter once
		}
		if node, ok = parseNode(unquote(trim(value))); !ok {
			return node, false
		}
	}
	return node, ok
}

// cutPair divides an element at its first semicolon outside of quotes.
func cutPair(element []byte) (pair, rest []byte) {
	quoted := false
	for i, c := range element {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			return element[:i], element[i+1:]
		}
	}
	return element, nil
}

func unquote(value []byte) []byte {
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		return value[1 : n-1]
	}
	return value
}

// parseNode reads an address with or without a port. IPv6 may stand without brackets if there is no port. "unknown" and
// names that hide an address (RFC 7239, section 6) are none.
func parseNode(node []byte) (netip.AddrPort, bool) {
	host, port, hasPort := node, []byte(nil), false
	bracketed := len(node) > 0 && node[0] == '['
	switch {
	case bracketed:
		end := bytes.IndexByte(node, ']')
		if end < 0 {
			return netip.AddrPort{}, false
		}
		host, port = node[1:end], node[end+1:]
		if hasPort = len(port) > 0; hasPort {
			if port[0] != ':' {
				return netip.AddrPort{}, false
			}
			port = port[1:]
		}
	case bytes.Count(node, []byte(":")) == 1:
		host, port, hasPort = bytes.Cut(node, []byte(":"))
	}
	addr, ok := parseAddr(host)
	if !ok || bracketed && !addr.Is6() {
		return netip.AddrPort{}, false
	}
	number := uint16(0)
	if hasPort {
		number, ok = parsePort(port)
	}
	return netip.AddrPortFrom(addr.Unmap(), number), ok
}

// parseAddr reads an address without a zone, which would mean something to its sender only.
func parseAddr(text []byte) (netip.Addr, bool) {
	if len(text) == 0 || len(text) > addrMax {
		return netip.Addr{}, false
	}
	for _, c := range text {
		if !addrBytes[c] {
			return netip.Addr{}, false
		}
	}
	addr, err := netip.ParseAddr(unsafe.String(&text[0], len(text))) // without a zone, only the error keeps the text
	return addr, err == nil
}

// addrBytes are the bytes an address may have.
var addrBytes = func() (table [256]bool) {
	for _, c := range "0123456789abcdefABCDEF.:" {
		table[c] = true
	}
	return table
}()

func parsePort(text []byte) (uint16, bool) {
	if len(text) == 0 || len(text) > len("65535") {
		return 0, false
	}
	number := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		number = number*10 + int(c-'0')
	}
	return uint16(number), number <= 65535
}

// trim removes blanks at both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
