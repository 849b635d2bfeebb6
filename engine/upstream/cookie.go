package upstream

import (
	"bytes"

	"sluice/engine/exchange"
)

// cookie returns the value of the first cookie called name (RFC 6265, section 4.2.1); nil without one.
func cookie(h *exchange.Head, name string) []byte {
	fields := h.Fields()
	for i := range fields {
		if f := &fields[i]; f.ID == exchange.Cookie && !f.Gone {
			if value := inCookies(h.Bytes(f.Value), name); value != nil {
				return value
			}
		}
	}
	return nil
}

// inCookies looks through the pairs of one field.
func inCookies(list []byte, name string) []byte {
	for len(list) > 0 {
		var pair []byte
		pair, list, _ = bytes.Cut(list, []byte(";"))
		key, value, found := bytes.Cut(bytes.TrimSpace(pair), []byte("="))
		if found && string(key) == name {
			return value
		}
	}
	return nil
}
