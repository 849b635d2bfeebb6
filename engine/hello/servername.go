package hello

// parseServerName reads ServerNameList (RFC 6066, 3). Entries of unknown type are skipped, since every type there will ever be begins with a
// 16-bit length; two host_names are forbidden by the RFC and would leave the choice between them to chance.
func (h *Hello) parseServerName(data []byte) Reason {
	r := reader{rest: data}
	list := reader{rest: r.vector16()}
	if r.short || len(r.rest) > 0 || len(list.rest) == 0 {
		return ReasonServerNameList
	}
	seen := false
	for len(list.rest) > 0 {
		kind := list.uint8()
		name := list.vector16()
		if list.short || len(name) == 0 {
			return ReasonServerNameList
		}
		if kind != nameTypeHost {
			continue
		}
		if seen {
			return ReasonSeveralNames
		}
		seen = true
		if reason := h.setServerName(name); reason != ReasonNone {
			return reason
		}
	}
	return ReasonNone
}

// setServerName copies a host name in lower case. What no host name may contain is refused rather than passed on, as names reach logs,
// hashes and PROXY headers: NUL, controls, wildcards and non-ASCII (the RFC demands A-labels). Tolerated are a final dot, which some
// clients copy from a URL, and underscores and hyphens anywhere, which occur in names that resolve.
//
// Literal IPv4 addresses are "not permitted" by the RFC, and sent all the same, by load generators and devices that know nothing else of
// their server. They say no more than the connection does: such a hello has no name. Anything of digits and dots alone counts, as resolvers
// read "10.1" so.
func (h *Hello) setServerName(name []byte) Reason {
	if name[len(name)-1] == '.' {
		name = name[:len(name)-1]
	}
	if len(name) > maxServerName {
		return ReasonServerName
	}
	label, numeric := 0, true
	for i, c := range name {
		switch {
		case 'a' <= c && c <= 'z' || c == '-' || c == '_':
			numeric = false
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
			numeric = false
		case '0' <= c && c <= '9':
		case c == '.' && label > 0:
			label = -1
		default:
			return ReasonServerName
		}
		if label++; label > maxServerNamePart {
			return ReasonServerName
		}
		h.name[i] = c
	}
	switch {
	case label == 0: // empty, or two final dots
		return ReasonServerName
	case numeric:
		return ReasonNone
	}
	h.nameLen = uint8(len(name))
	return ReasonNone
}
