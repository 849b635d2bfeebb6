package record

import "crypto/tls"

// TLS is what a handshake with a client has agreed on, or what was known of it when it failed. One is made per connection and shared by
// the records of all its exchanges; it is not changed once it has been shared.
type TLS struct {
	ServerName string // that the client asked for; "" = none
	ALPN       string // that was agreed on; "" = none
	Detail     string // what was wrong with it, on whichever side; "" = nothing
	Client     string // the subject of the client's verified certificate, printable; "" = none
	Version    uint16 // as in crypto/tls; 0 = the handshake failed
	Cipher     uint16 // likewise
	Resumed    bool   // a session of an earlier connection was taken up
	Handshake  Micros // from the ClientHello to the end of the handshake
}

// VersionName returns "1.3", or "" where nothing was agreed on.
func (t *TLS) VersionName() string {
	switch t.Version {
	case tls.VersionTLS12:
		return "1.2"
	case tls.VersionTLS13:
		return "1.3"
	}
	return ""
}

// CipherName returns the standard name of the cipher suite, or "". What crypto/tls has for that makes lists.
func (t *TLS) CipherName() string { return cipherNames[t.Cipher] }

var cipherNames = func() map[uint16]string {
	names := make(map[uint16]string)
	for _, suite := range tls.CipherSuites() {
		names[suite.ID] = suite.Name
	}
	return names
}()
