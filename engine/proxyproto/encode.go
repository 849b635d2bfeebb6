package proxyproto

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// This file writes PROXY protocol headers. Both versions do what HAProxy does: IPv4 if both addresses are, IPv6 with the IPv4 one mapped
// (::ffff:192.0.2.1) if they differ, and no addresses if one is missing, as with a client on a unix socket.

// AppendV1 appends version 1's line for a connection from src to dst address to b and returns it. An invalid address makes the line
// "PROXY UNKNOWN", whose receiver uses the socket's own addresses.
func AppendV1(b []byte, src, dst netip.AddrPort) []byte {
	source, destination, family := proxyPair(src.Addr(), dst.Addr())
	b = append(b, proxyV1Prefix...)
	switch family {
	case proxyUnspec:
		return append(b, proxyV1Unknown+"\r\n"...)
	case proxyInet:
		b = append(b, "TCP4 "...)
	default:
		b = append(b, "TCP6 "...)
	}
	b = append(source.AppendTo(b), ' ')
	b = append(destination.AppendTo(b), ' ')
	b = append(strconv.AppendUint(b, uint64(src.Port()), 10), ' ')
	b = strconv.AppendUint(b, uint64(dst.Port()), 10)
	return append(b, "\r\n"...)
}

// AppendV2 appends version 2's header for a stream connection from src to dst address to b and returns it. With an invalid address it
// is PROXY with an unspecified family: the connection is relayed, for which LOCAL (the proxy's own business) would be a lie, and AF_UNIX
// would name a socket path that means nothing on another machine.
func AppendV2(b []byte, src, dst netip.AddrPort) []byte {
	source, destination, family := proxyPair(src.Addr(), dst.Addr())
	b = append(b, proxyV2Prefix...)
	if family == proxyUnspec {
		return append(b, proxyProxy, proxyUnspec, 0, 0)
	}
	b = append(b, proxyProxy, family<<4|proxyStream, 0, byte(proxyAddresses[family]))
	b = appendProxyAddr(b, source)
	b = appendProxyAddr(b, destination)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	return binary.BigEndian.AppendUint16(b, dst.Port())
}

// proxyPair brings both addresses into one family: proxyInet, proxyInet6, or proxyUnspec if one is invalid. Zones are dropped, as they
// mean nothing elsewhere.
func proxyPair(source, destination netip.Addr) (netip.Addr, netip.Addr, byte) {
	source, destination = source.Unmap().WithZone(""), destination.Unmap().WithZone("")
	switch {
	case !source.IsValid() || !destination.IsValid():
		return source, destination, proxyUnspec
	case source.Is4() && destination.Is4():
		return source, destination, proxyInet
	}
	return netip.AddrFrom16(source.As16()), netip.AddrFrom16(destination.As16()), proxyInet6
}

// appendProxyAddr appends an address' 4 or 16 bytes.
func appendProxyAddr(b []byte, addr netip.Addr) []byte {
	if addr.Is4() {
		four := addr.As4()
		return append(b, four[:]...)
	}
	sixteen := addr.As16()
	return append(b, sixteen[:]...)
}
