package literal

// Words about TLS, with what nginx and HAProxy call them as slips that are understood.

// TLSVersion is the least version that is spoken.
var TLSVersion = Hinted(Hinted(Hinted(Choice("1.2", "1.3"),
	`write "1.2"`, "TLSv1.2", "tls1.2", "TLS1.2", "12"),
	`write "1.3"`, "TLSv1.3", "tls1.3", "TLS1.3", "13"),
	"older versions are broken, and not spoken here", "1.0", "1.1", "1", "TLSv1", "TLSv1.0", "TLSv1.1", "SSLv3")

// ClientAuth is whether clients are asked for a certificate.
var ClientAuth = Hinted(Hinted(Choice("none", "optional", "require"),
	"write require", "on", "true", "yes", "required", "verify"),
	"write none", "off", "false", "no")

// UnknownSNI is what happens to a client that asks for a name without a certificate.
var UnknownSNI = Hinted(Choice("reject", "default"), "write reject", "strict", "on", "true", "deny", "close")
