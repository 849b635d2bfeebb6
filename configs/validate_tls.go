package configs

// Rules about TLS. The files are read here, for their own sake and because what they hold must fit together; room credential
// says what is wrong with one.

import (
	"crypto"
	"crypto/x509"
	"fmt"

	"sluice/configs/credential"
	"sluice/configs/literal"
)

// readCredential reads the file of a key of the object at a position. What is wrong is reported there.
func readCredential[T any](l *loader, at Position, path string, parse func([]byte) (T, error)) (v T, ok bool) {
	most := int64(credential.PEMMax)
	switch any(v).(type) {
	case []*x509.RevocationList:
		most = credential.ListsMax
	case []credential.Staple:
		most = credential.StapleMax
	case [][]byte:
		most = credential.TicketsMax
	}
	text, err := literal.ReadText(path, most)
	if err != nil {
		l.Blame(at, err)
		return v, false
	}
	if v, err = parse([]byte(text)); err != nil {
		l.Report(at, path+" "+err.Error(), literal.HintOf(err))
		return v, false
	}
	return v, true
}

// checkListenerTLS applies every rule to the TLS of a listener.
func (l *loader) checkListenerTLS(li *Listener) {
	t := li.TLS
	var leaves []*x509.Certificate
	for _, c := range t.Certificates {
		if leaf := l.checkPair(c.At, c.Cert, c.Key); leaf != nil {
			leaves = append(leaves, leaf)
			if credential.Nameless(leaf) && t.UnknownSNI == "reject" {
				l.Warn(l.At(c.At, "cert", 0), c.Cert+" names no host: no client that asks for one gets it", "make it with subjectAltName, or write unknown_sni: default")
			}
		}
	}
	l.checkClients(t)
	if t.OCSP != "" {
		at := l.At(t.At, "ocsp", 0)
		staples, _ := readCredential(l, at, t.OCSP, credential.Staples)
		l.remark(at, t.OCSP, credential.JudgeStaples(staples, leaves, l.now))
	}
	if t.TicketKeys != "" {
		at := l.At(t.At, "ticket_keys", 0)
		readCredential(l, at, t.TicketKeys, credential.TicketKeys)
		l.warnOpen(at, t.TicketKeys)
	}
}

// checkPair reads a certificate with its key and returns it, or nil if it cannot be used.
func (l *loader) checkPair(object Position, cert, key string) *x509.Certificate {
	if cert == "" {
		return nil
	}
	at := l.At(object, "cert", 0)
	chain, ok := readCredential(l, at, cert, credential.Chain)
	private, keyAt := crypto.Signer(nil), at
	switch {
	case l.Written(object, "key"):
		if keyAt = l.At(object, "key", 0); !l.Blamed(keyAt) {
			private, _ = readCredential(l, keyAt, key, credential.PrivateKey)
		}
	case ok:
		private, _ = readCredential(l, at, cert, credential.KeyOfBoth)
	}
	if !ok {
		return nil
	}
	if private != nil {
		l.warnOpen(keyAt, key)
		if err := credential.Match(chain, private); err != nil {
			l.Report(keyAt, fmt.Sprintf("the key in %s %s in %s", key, err, cert), literal.HintOf(err))
			return nil
		}
	}
	l.remark(at, cert, credential.JudgeChain(chain, l.now))
	return chain[0]
}

// remark reports or warns of what is remarkable about a file.
func (l *loader) remark(at Position, path string, remarks []credential.Remark) {
	for _, r := range remarks {
		tell := l.Warn
		if r.Grave {
			tell = l.Report
		}
		tell(at, path+" "+r.Message, r.Remedy)
	}
}

// warnOpen names a file with secrets that everybody may read.
func (l *loader) warnOpen(at Position, path string) {
	if mode, open := literal.OpenToAll(path); open {
		l.Warn(at, fmt.Sprintf("%s holds secrets, and every user of this machine can read it (mode %04o)", path, mode), "chmod o= "+path)
	}
}

// checkClients compares what is said about clients' certificates.
func (l *loader) checkClients(t *TLS) {
	const hint = "name a PEM file with the CAs that issue clients' certificates: client_ca: ca.pem"
	ca, auth := l.Written(t.At, "client_ca"), l.At(t.At, "client_auth", 0)
	switch {
	case t.ClientAuth != "none" && !ca:
		l.Report(auth, "client_auth: "+t.ClientAuth+" needs client_ca", hint)
	case l.Written(t.At, "client_crl") && !ca:
		l.Report(l.At(t.At, "client_crl", 0), "client_crl needs client_ca", hint)
	}
	for _, key := range []string{"client_ca", "client_crl", "client_headers"} {
		if l.Written(t.At, key) && t.ClientAuth == "none" && !l.Blamed(auth) && (key != "client_headers" || t.ClientHeaders) {
			l.Warn(l.At(t.At, key, 0), key+" has no effect with client_auth: none", "write client_auth: optional or client_auth: require")
		}
	}
	var issuers []*x509.Certificate
	if t.ClientCA != "" {
		issuers, _ = readCredential(l, l.At(t.At, "client_ca", 0), t.ClientCA, credential.Chain)
	}
	if t.ClientCRL != "" {
		at := l.At(t.At, "client_crl", 0)
		lists, _ := readCredential(l, at, t.ClientCRL, credential.RevocationLists)
		l.remark(at, t.ClientCRL, credential.JudgeLists(lists, issuers, l.now))
	}
}

// checkUpstreamTLS applies every rule to the TLS of u and of its check.
func (l *loader) checkUpstreamTLS(u *Upstream) {
	for _, s := range u.Servers {
		if l.refuse(u, s, s.At) {
			break // the others say the same
		}
	}
	if u.TLS != nil {
		l.checkClientTLS(u.TLS)
	} else if at := l.At(u.At, "timeouts", 0); l.Written(at, "tls") && !l.Broken(u.At) {
		l.Warn(l.At(at, "tls", 0), fmt.Sprintf("tls has no effect: upstream %q has no tls", u.Name), "")
	}
	if c := u.Check; c != nil && c.TLS != nil && c.TLS != u.TLS {
		l.checkClientTLS(c.TLS)
	}
}

// refuse reports a server that does not go with the TLS of u.
func (l *loader) refuse(u *Upstream, s Server, at Position) bool {
	why := u.Refuses(s)
	if why == "" || s.Address == (Address{}) {
		return false
	}
	l.Report(at, fmt.Sprintf("the server %s: %s", s.Address, why), "write tls in the upstream, or https:// before all its servers; plain servers need an upstream of their own")
	return true
}

// checkClientTLS applies every rule to the TLS that is spoken to servers.
func (l *loader) checkClientTLS(t *UpstreamTLS) {
	if t.CA != "" {
		at := l.At(t.At, "ca", 0)
		readCredential(l, at, t.CA, credential.Chain)
		if !t.Verify {
			l.Warn(at, "ca has no effect with verify: false", "")
		}
	}
	if l.Written(t.At, "key") && !l.Written(t.At, "cert") {
		l.Report(l.At(t.At, "key", 0), "key needs cert", "name the file of the certificate that belongs to it")
	}
	l.checkPair(t.At, t.Cert, t.Key)
}
