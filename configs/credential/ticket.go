package credential

// Keys for session tickets, in the two forms that nginx and HAProxy read.

import (
	"bytes"
	"encoding/base64"
)

// TicketKeysMax is how many keys a file may hold: every ticket that a client brings may be tried with each.
const TicketKeysMax = 16

// TicketKeys returns the keys of a file: one of 48 or 80 random bytes, as nginx has it, or lines of such keys in base64, as
// HAProxy has them. '#' begins a comment. The first key encrypts, all of them decrypt. Each key is returned as its bytes; no error
// shows any.
func TicketKeys(text []byte) ([][]byte, error) {
	const remedy = "make one with: openssl rand 80 > tickets.key; for several, one a line: openssl rand -base64 80 | tr -d '\\n'"
	if isTicketKey(text) {
		return [][]byte{bytes.Clone(text)}, nil
	}
	var keys [][]byte
	for i, line := range bytes.Split(text, []byte("\n")) {
		line, _, _ = bytes.Cut(line, []byte("#"))
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		key, err := base64.StdEncoding.AppendDecode(nil, line)
		if err != nil || !isTicketKey(key) {
			return nil, bad(remedy, "is not a key for tickets: it has neither 48 nor 80 bytes, and its line %d is not as many in base64", i+1)
		}
		for _, k := range keys {
			if bytes.Equal(k, key) {
				return nil, bad("remove it", "has the key at line %d twice", i+1)
			}
		}
		if len(keys) == TicketKeysMax {
			return nil, bad("keep those of which tickets are still out", "has more than %d keys", TicketKeysMax)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, bad(remedy, "holds no key")
	}
	return keys, nil
}

// isTicketKey knows the sizes of nginx: a name of 16 bytes, then AES-128 or AES-256 and an HMAC key.
func isTicketKey(b []byte) bool { return len(b) == 48 || len(b) == 80 }
