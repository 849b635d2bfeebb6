package configs

// What comes out of the sections called tls. Files are named by path: they have been read and judged when the configuration was
// loaded, and who uses them reads them again, because they may change while the proxy runs.

// TLS is how a listener terminates TLS.
type TLS struct {
	At            Position
	Certificates  []Certificate // never empty; the first one is the default
	MinVersion    string        // "1.2" | "1.3"
	ClientAuth    string        // none | optional | require; ClientCA is set unless it is none
	ClientCA      string        // a PEM file: who may have issued clients' certificates; "" = none
	ClientCRL     string        // revocation lists, PEM or one DER; "" = none
	OCSP          string        // a DER file: the response to staple, for the certificate with its serial number; "" = none
	TicketKeys    string        // a file that pem.TicketKeys reads; "" = made at start and rotated
	UnknownSNI    string        // reject | default
	ClientHeaders bool          // http: tell servers about the client's certificate in X-Client-Cert-*
}

// A Certificate is a chain with its private key.
type Certificate struct {
	Cert string // a PEM file: the certificate, then those that lead to its CA
	Key  string // a PEM file, which may be Cert
	At   Position
}

// UpstreamTLS is the TLS that is spoken to servers, and by checks.
type UpstreamTLS struct {
	At         Position
	ServerName string // sent and verified; "" = the host of the server, in a check the one in its Host first
	CA         string // a PEM file; "" = the system's
	Cert, Key  string // PEM files of the proxy's own certificate, perhaps the same file; both "" = none
	Verify     bool   // if false, anybody may be the server
}

// CheckTLS is the TLS of a check: the upstream's, unless the check says otherwise.
type CheckTLS = UpstreamTLS
