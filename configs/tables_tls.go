package configs

// The rows of the sections called tls: in front of listeners, and behind, towards servers. Only the form of a path is a row's to
// judge; what is in the files is for the rules of validate_tls.go.

import (
	"sluice/configs/foreign"
	"sluice/configs/literal"
)

// certificatesMax bounds the certificates of a listener: each costs some memory, and time at start.
const certificatesMax = 4096

var listenerTLS = &table[TLS]{
	at:      func(t *TLS) *Position { return &t.At },
	foreign: foreign.ListenerTLS,
	rows: []row[TLS]{
		{key: "certificates", to: items(certificates, func(t *TLS) *[]Certificate { return &t.Certificates }), need: true, some: true, most: certificatesMax, apply: newConnections,
			doc: "The certificates. The one for a connection is chosen by the name that the client asks for (SNI): the same name first, then `*.` in place of its first label, then `unknown_sni`. Where several fit, ECDSA goes to clients that can use it and RSA to the others; of two that are alike the first one wins. The files are watched: when they change they are read again, and if they are not right the ones before stay. The short form is the path of a file that has both, which HAProxy calls `crt`."},
		{key: "min_version", to: one(literal.TLSVersion, func(t *TLS) *string { return &t.MinVersion }), def: "1.2", apply: newConnections,
			doc: "The least version of TLS. nginx calls it `ssl_protocols`, HAProxy `ssl-min-ver`. Cipher suites cannot be chosen: only those with forward secrecy and authenticated encryption are used."},
		{key: "client_auth", to: one(literal.ClientAuth, func(t *TLS) *string { return &t.ClientAuth }), def: "none", apply: newConnections,
			doc: "Whether clients are asked for a certificate. With `optional` they may come without one, and what they bring must be right; with `require` the handshake fails without one. nginx calls it `ssl_verify_client`, HAProxy `verify`."},
		{key: "client_ca", to: one(filePath, func(t *TLS) *string { return &t.ClientCA }), none: "none", apply: newConnections,
			doc: "A PEM file with the certificates of the CAs that issue clients' certificates; `client_auth` needs it. nginx calls it `ssl_client_certificate`, HAProxy `ca-file`."},
		{key: "client_crl", to: one(filePath, func(t *TLS) *string { return &t.ClientCRL }), none: "none", apply: newConnections,
			doc: "A file with revocation lists of these CAs, in PEM, or one in DER. Sessions that are resumed are held against it too. nginx calls it `ssl_crl`, HAProxy `crl-file`."},
		{key: "ocsp", to: one(filePath, func(t *TLS) *string { return &t.OCSP }), none: "none", apply: newConnections,
			doc: "A file with an OCSP response in DER, which is stapled to the certificate of which it speaks. Something else has to renew it; the file is watched. nginx calls it `ssl_stapling_file`, HAProxy the `.ocsp` beside a certificate."},
		{key: "ticket_keys", to: one(filePath, func(t *TLS) *string { return &t.TicketKeys }), none: "made at start, rotated every 12 h", apply: newConnections,
			doc: "A file with keys for session tickets, for clients that come back after a restart or to another proxy: 48 or 80 random bytes, as nginx's `ssl_session_ticket_key` has them, or lines of them in base64, as in HAProxy's `tls-ticket-keys`. The first key encrypts, all of them decrypt, at most 16. With a file, changing the keys is yours to do."},
		{key: "unknown_sni", to: one(literal.UnknownSNI, func(t *TLS) *string { return &t.UnknownSNI }), def: "reject", apply: newConnections,
			doc: "What happens when a client asks for a name for which there is no certificate: the handshake fails with `unrecognized_name`, or goes on with the first certificate. A client that asks for no name gets the first one. HAProxy calls `reject` `strict-sni`, nginx `ssl_reject_handshake`."},
		{key: "client_headers", to: one(boolean, func(t *TLS) *bool { return &t.ClientHeaders }), def: "false", apply: newConnections, only: "http",
			doc: "Tell servers about the client's certificate in the fields `X-Client-Cert-*`. Whether this is on or off, such fields are never taken from clients."},
	},
}

var certificates = &table[Certificate]{
	at:      func(c *Certificate) *Position { return &c.At },
	short:   "cert",
	foreign: foreign.Certificate,
	rows: []row[Certificate]{
		{key: "cert", to: one(filePath, func(c *Certificate) *string { return &c.Cert }), need: true, apply: newConnections,
			doc: "A PEM file with the certificate, followed by those that lead to its CA."},
		{key: "key", to: one(filePath, func(c *Certificate) *string { return &c.Key }), none: "in the file of `cert`", apply: newConnections,
			doc: "A PEM file with the private key, without a passphrase. It should be readable for the proxy only."},
	},
}

var upstreamTLS = &table[UpstreamTLS]{
	at:      func(t *UpstreamTLS) *Position { return &t.At },
	foreign: foreign.UpstreamTLS,
	rows: []row[UpstreamTLS]{
		{key: "server_name", to: one(certificateName, func(t *UpstreamTLS) *string { return &t.ServerName }), none: "the server's host", apply: newConnections,
			doc: "The name that is sent (SNI) and that the certificate must have. In a check, its `host` comes before the server's. nginx calls it `proxy_ssl_name`, HAProxy `sni` and `verifyhost`."},
		{key: "ca", to: one(filePath, func(t *UpstreamTLS) *string { return &t.CA }), none: "the system's", apply: newConnections,
			doc: "A PEM file with the certificates that are trusted. A relative path starts at the folder of this file."},
		{key: "cert", to: one(filePath, func(t *UpstreamTLS) *string { return &t.Cert }), none: "none", apply: newConnections,
			doc: "A PEM file with a certificate for servers that ask for one, followed by those that lead to its CA."},
		{key: "key", to: one(filePath, func(t *UpstreamTLS) *string { return &t.Key }), none: "in the file of `cert`", apply: newConnections,
			doc: "A PEM file with the private key of `cert`."},
		{key: "verify", to: one(boolean, func(t *UpstreamTLS) *bool { return &t.Verify }), def: "true", apply: newConnections,
			doc: "Whether the certificate must be right: its name, its time and its CA. With `false`, anybody on the way can be the server. nginx calls it `proxy_ssl_verify`, where `off` is the default."},
	},
}
