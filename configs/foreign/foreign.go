// Package foreign knows the keys that users of nginx, HAProxy, Envoy and other versions of this program write, by the object in
// which they do. They stay unknown keys; but they are no slips of the hand, and whoever writes one is told what it is called here.
package foreign

// A Key is what is said about one.
type Key struct {
	Hint  string // "" = the usual one: this version cannot do that
	Meant string // the key of the schema that is not missing beside it; "" = none
}

// Keys are those of one object.
type Keys map[string]Key

// What stands at the top, under routes, and under runtime.
var (
	File    = Keys{"caches": {}}
	Runtime = Keys{"drain_delay": {}, "upgrade_drain": {}, "user": {}}
	Route   = Keys{
		"files": {Hint: "this version serves no files", Meant: "upstream"}, "basic_auth": {}, "forward_auth": {}, "max_in_flight": {},
		"bandwidth": {}, "rate_limit": {}, "compress": {}, "cache": {}, "waf": {},
	}
	Retry = Keys{
		"tries": {"write attempts: the tries after the first", "attempts"}, "status": {`write statuses under on, as in on: ["503"]`, "on"},
	}
)

const (
	certificates = "write certificates: {cert: site.pem, key: site.key}"
	ciphers      = "cipher suites and curves cannot be chosen: only strong ones are used"
	noVerify     = "write verify: false"
)

// What stands under listeners and their TLS.
var (
	Listener    = Keys{"ssl": {Hint: "write tls"}, "certificates": {Hint: "write it under tls"}}
	ListenerTLS = Keys{
		"acme": {"this version gets no certificates by itself; it notices when the files change", "certificates"},
		"cert": {certificates, "certificates"}, "key": {Hint: certificates}, "crt": {certificates, "certificates"},
		"ssl_certificate": {certificates, "certificates"}, "ssl_certificate_key": {Hint: certificates},
		"ca": {Hint: "write client_ca"}, "ca_file": {Hint: "write client_ca"}, "ssl_client_certificate": {Hint: "write client_ca"},
		"verify": {Hint: "write client_auth"}, "ssl_verify_client": {Hint: "write client_auth"},
		"crl": {Hint: "write client_crl"}, "crl_file": {Hint: "write client_crl"}, "ssl_crl": {Hint: "write client_crl"},
		"protocols": {Hint: "write min_version"}, "ssl_protocols": {Hint: "write min_version"},
		"max_version": {Hint: "only the least version can be chosen: min_version"},
		"ciphers":     {Hint: ciphers}, "ssl_ciphers": {Hint: ciphers}, "cipher_suites": {Hint: ciphers}, "curves": {Hint: ciphers},
		"strict_sni":          {Hint: "write unknown_sni: reject"},
		"default_certificate": {Hint: "write unknown_sni: default: the first of certificates is it"},
		"alpn":                {Hint: "it follows the protocol of the listener"},
	}
	Certificate = Keys{
		"crt": {"write cert", "cert"}, "certificate": {"write cert", "cert"},
		"chain": {Hint: "put the chain into the file of cert, after the certificate"},
		"hosts": {Hint: "a certificate is chosen by the names in it"}, "sni": {Hint: "a certificate is chosen by the names in it"},
	}
)

// What stands under upstreams.
var (
	Upstream    = Keys{"ssl": {Hint: "write tls"}, "keepalive": {Hint: "write pool: {max_idle: ...}"}}
	UpstreamTLS = Keys{
		"sni": {Hint: "write server_name"}, "ca_file": {Hint: "write ca"}, "crt": {Hint: "write cert"}, "skip_verify": {Hint: noVerify},
		"insecure": {Hint: noVerify}, "insecure_skip_verify": {Hint: noVerify}, "alpn": {Hint: "it follows the protocol of the upstream"},
	}
	Server = Keys{
		"maxconn": {Hint: "write max_connections"}, "max_conns": {Hint: "write max_connections"}, "down": {Hint: "write weight: 0"},
		"max_fails": {Hint: "write eject: {errors: ...} in the upstream"}, "fail_timeout": {Hint: "write eject: {for: ...} in the upstream"},
		"port": {Hint: `write it into the address, as in "10.0.0.1:8080"`}, "slowstart": {Hint: "write slow_start in the upstream"},
		"ssl": {Hint: "write tls: true in the upstream"}, "tls": {Hint: "write it in the upstream: it is for all its servers"},
	}
	Check = Keys{
		"grpc": {Meant: "http"}, "path": {"write http: /path", "http"}, "uri": {"write http: /path", "http"},
		"interval": {"write every", "every"}, "inter": {Hint: "write every"}, "fastinter": {Hint: "write fast"},
		"fails": {Hint: "write fall"}, "passes": {Hint: "write rise"}, "expect": {Hint: "write status or body"}, "match": {Hint: "write status or body"},
	}
	Eject  = Keys{"max_fails": {Hint: "write errors"}, "fail_timeout": {Hint: "write for"}, "duration": {Hint: "write for"}}
	Sticky = Keys{"name": {"write cookie", "cookie"}, "expires": {Hint: "write ttl"}, "secret": {Hint: "write key"}}
)
