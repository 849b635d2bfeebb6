// Package clientcert tells servers who the client has proven to be by its certificate:
//
//	tls: {client_auth: require, client_ca: ca.pem, client_headers: true}
//
//	X-Client-Cert-Subject: CN=till-7,O=Shop
//	X-Client-Cert-Issuer: CN=Shop Root,O=Shop
//	X-Client-Cert-Serial: 1f0c
//	X-Client-Cert-Fingerprint: 9b0e…            (SHA-256)
//	X-Client-Cert-Not-After: 2027-01-31T00:00:00Z
//
// Without a certificate there are none of these fields: what clients send under such names never gets this far.
package clientcert

import "sluice/engine/exchange"

// Compile returns the gate, nil if servers are to be told nothing.
func Compile(on bool) exchange.Gate {
	if !on {
		return nil
	}
	return gate{}
}

type gate struct{}

// Check implements exchange.Gate.
func (gate) Check(x *exchange.Exchange) exchange.Verdict {
	if x.Record.TLS == nil || x.Record.TLS.Client == nil {
		return exchange.Next
	}
	c, h := x.Record.TLS.Client, &x.Request
	h.AddString("X-Client-Cert-Subject", c.Subject)
	h.AddString("X-Client-Cert-Issuer", c.Issuer)
	h.AddString("X-Client-Cert-Serial", c.Serial)
	h.AddString("X-Client-Cert-Fingerprint", c.Fingerprint)
	h.AddString("X-Client-Cert-Not-After", c.NotAfter)
	return exchange.Next
}
