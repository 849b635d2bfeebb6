package configs

// The rows of the sections called tls: in front of listeners, and behind, towards servers. Only the form of a path is a row's to
// judge; what is in the files is for the rules of validate_tls.go.

import (
	"sluice/configs/foreign"
	"sluice/configs/kinds"
	"sluice/configs/literal"
	"sluice/configs/table"
)

// certificatesMax bounds the certificates of a listener: each costs some memory, and time at start.
const certificatesMax = 4096

var listenerTLS = &table.Of[TLS]{
	At:      func(t *TLS) *Position { return &t.At },
	Foreign: foreign.ListenerTLS,
	Rows: []table.Row[TLS]{
		{Key: "certificates", To: table.Items(certificates, func(t *TLS) *[]Certificate { return &t.Certificates }), Need: true, Some: true, Most: certificatesMax, Apply: table.NewConnections,
			Doc: "The certificates. The one for a connection is chosen by the name that the client asks for (SNI): the same name first, then `*.` in place of its first label, then `unknown_sni`. Where several fit, ECDSA goes to clients that can use it and RSA to the others; of two that are alike the first one wins. The files are watched: when they change they are read again, and if they are not right the ones before stay. The short form is the path of a file that has both, which HAProxy calls `crt`."},
		{Key: "min_version", To: table.One(literal.TLSVersion, func(t *TLS) *string { return &t.MinVersion }), Default: "1.2", Apply: table.NewConnections,
			Doc: "The least version of TLS. nginx calls it `ssl_protocols`, HAProxy `ssl-min-ver`. Cipher suites cannot be chosen: only those with forward secrecy and authenticated encryption are used."},
		{Key: "client_auth", To: table.One(literal.ClientAuth, func(t *TLS) *string { return &t.ClientAuth }), Default: "none", Apply: table.NewConnections,
			Doc: "Whether clients are asked for a certificate. With `optional` they may come without one, and what they bring must be right; with `require` the handshake fails without one. nginx calls it `ssl_verify_client`, HAProxy `verify`."},
		{Key: "client_ca", To: table.One(kinds.FilePath, func(t *TLS) *string { return &t.ClientCA }), None: "none", Apply: table.NewConnections,
			Doc: "A PEM file with the certificates of the CAs that issue clients' certificates; `client_auth` needs it. nginx calls it `ssl_client_certificate`, HAProxy `ca-file`."},
		{Key: "client_crl", To: table.One(kinds.FilePath, func(t *TLS) *string { return &t.ClientCRL }), None: "none", Apply: table.NewConnections,
			Doc: "A file with revocation lists of these CAs, in PEM, or one in DER. Sessions that are resumed are held against it too. nginx calls it `ssl_crl`, HAProxy `crl-file`."},
		{Key: "ocsp", To: table.One(kinds.FilePath, func(t *TLS) *string { return &t.OCSP }), None: "none", Apply: table.NewConnections,
			Doc: "A file with an OCSP response in DER, which is stapled to the certificate of which it speaks. Something else has to renew it; the file is watched. nginx calls it `ssl_stapling_file`, HAProxy the `.ocsp` beside a certificate."},
		{Key: "ticket_keys", To: table.One(kinds.FilePath, func(t *TLS) *string { return &t.TicketKeys }), None: "made at start, rotated every 12 h", Apply: table.NewConnections,
			Doc: "A file with keys for session tickets, for clients that come back after a restart or to another proxy: 48 or 80 random bytes, as nginx's `ssl_session_ticket_key` has them, or lines of them in base64, as in HAProxy's `tls-ticket-keys`. The first key encrypts, all of them decrypt, at most 16. With a file, changing the keys is yours to do."},
		{Key: "unknown_sni", To: table.One(literal.UnknownSNI, func(t *TLS) *string { return &t.UnknownSNI }), Default: "reject", Apply: table.NewConnections,
			Doc: "What happens when a client asks for a name for which there is no certificate: the handshake fails with `unrecognized_name`, or goes on with the first certificate. A client that asks for no name gets the first one. HAProxy calls `reject` `strict-sni`, nginx `ssl_reject_handshake`."},
		{Key: "client_headers", To: table.One(kinds.Boolean, func(t *TLS) *bool { return &t.ClientHeaders }), Default: "false", Apply: table.NewConnections, Only: "http",
			Doc: "Tell servers about the client's certificate in the fields `X-Client-Cert-*`. Whether this is on or off, such fields are never taken from clients."},
	},
}

var certificates = &table.Of[Certificate]{
	At:      func(c *Certificate) *Position { return &c.At },
	Short:   "cert",
	Foreign: foreign.Certificate,
	Rows: []table.Row[Certificate]{
		{Key: "cert", To: table.One(kinds.FilePath, func(c *Certificate) *string { return &c.Cert }), Need: true, Apply: table.NewConnections,
			Doc: "A PEM file with the certificate, followed by those that lead to its CA."},
		{Key: "key", To: table.One(kinds.FilePath, func(c *Certificate) *string { return &c.Key }), None: "in the file of `cert`", Apply: table.NewConnections,
			Doc: "A PEM file with the private key, without a passphrase. It should be readable for the proxy only."},
	},
}

var upstreamTLS = &table.Of[UpstreamTLS]{
	At:      func(t *UpstreamTLS) *Position { return &t.At },
	Foreign: foreign.UpstreamTLS,
	Rows: []table.Row[UpstreamTLS]{
		{Key: "server_name", To: table.One(kinds.CertificateName, func(t *UpstreamTLS) *string { return &t.ServerName }), None: "the server's host", Apply: table.NewConnections,
			Doc: "The name that is sent (SNI) and that the certificate must have. In a check, its `host` comes before the server's. nginx calls it `proxy_ssl_name`, HAProxy `sni` and `verifyhost`."},
		{Key: "ca", To: table.One(kinds.FilePath, func(t *UpstreamTLS) *string { return &t.CA }), None: "the system's", Apply: table.NewConnections,
			Doc: "A PEM file with the certificates that are trusted. A relative path starts at the folder of this file."},
		{Key: "cert", To: table.One(kinds.FilePath, func(t *UpstreamTLS) *string { return &t.Cert }), None: "none", Apply: table.NewConnections,
			Doc: "A PEM file with a certificate for servers that ask for one, followed by those that lead to its CA."},
		{Key: "key", To: table.One(kinds.FilePath, func(t *UpstreamTLS) *string { return &t.Key }), None: "in the file of `cert`", Apply: table.NewConnections,
			Doc: "A PEM file with the private key of `cert`."},
		{Key: "verify", To: table.One(kinds.Boolean, func(t *UpstreamTLS) *bool { return &t.Verify }), Default: "true", Apply: table.NewConnections,
			Doc: "Whether the certificate must be right: its name, its time and its CA. With `false`, anybody on the way can be the server. nginx calls it `proxy_ssl_verify`, where `off` is the default."},
	},
}
