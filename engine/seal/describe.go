package seal

// What is said of a session in records and counters.

import (
	"strings"

	"sluice/engine/record"
	"sluice/engine/stat"
)

// Describe is what records say of a session with a client; took is how long its handshake did.
func Describe(state *State, took record.Micros) *record.TLS {
	name := strings.ToLower(state.ServerName)
	if strings.Trim(name, "0123456789.") == "" {
		name = "" // an address asks for no name
	}
	t := &record.TLS{
		ServerName: name, ALPN: state.ALPN, Version: state.Version, Cipher: state.Cipher, Resumed: state.Resumed, Handshake: took,
	}
	if len(state.PeerCertificates) > 0 {
		t.Client = record.DescribeCertificate(state.PeerCertificates[0])
	}
	return t
}

// ServerCounter is the counter of handshakes with servers that came out like this one.
func ServerCounter(state *State) stat.ID {
	if state.Resumed {
		return stat.TLSServerResumed
	}
	return stat.TLSServerFull
}

// Counter is the counter of handshakes with clients that came out like this one.
func Counter(state *State) stat.ID {
	if state.Resumed {
		return stat.TLSResumed
	}
	return stat.TLSFull
}
