package credential

// Private keys, and whether one belongs to a chain.

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
)

// rsaBitsMin is what today's clients, and OpenSSL by default, accept.
const rsaBitsMin = 2048

func isKey(block string) bool {
	return strings.HasSuffix(block, "PRIVATE KEY")
}

// PrivateKey returns the first private key of a PEM file (PKCS #8, PKCS #1 or SEC 1), of a kind that TLS can use: RSA, ECDSA with
// P-256, P-384 or P-521, or Ed25519. No error shows any of it.
func PrivateKey(text []byte) (crypto.Signer, error) {
	blocks, err := decode(text, "private key")
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		switch {
		case b.Type == "ENCRYPTED PRIVATE KEY", isKey(b.Type) && strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED"):
			return nil, bad("nobody is there to type it when the proxy starts; take it away with: openssl pkey -in FILE -out FILE.key", "holds a private key with a passphrase")
		case isKey(b.Type):
			return parseKey(b)
		}
	}
	return nil, missing(blocks, "private key")
}

// KeyOfBoth is PrivateKey for a file that has certificates too.
func KeyOfBoth(text []byte) (crypto.Signer, error) {
	key, err := PrivateKey(text)
	if p, ok := err.(Problem); ok && bytes.Contains(text, []byte(begin+" CERTIFICATE")) && !bytes.Contains(text, []byte("PRIVATE KEY")) {
		p.Message, p.Remedy = "has certificates, and no private key", "write key: and the path of its file"
		err = p
	}
	return key, err
}

// parseKey tries the three forms in which keys come, whatever the block is called: tools have disagreed.
func parseKey(b *pem.Block) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if err != nil {
		if rsaKey, err := x509.ParsePKCS1PrivateKey(b.Bytes); err == nil {
			key = rsaKey
		} else if ecKey, err := x509.ParseECPrivateKey(b.Bytes); err == nil {
			key = ecKey
		}
	}
	switch key := key.(type) {
	case nil:
		return nil, bad("RSA, ECDSA and Ed25519 keys are supported", "holds a private key that cannot be read")
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < rsaBitsMin {
			return nil, bad("make a new key and certificate", "holds an RSA key of %d bits, and clients want at least %d", bits, rsaBitsMin)
		}
		return key, nil
	case *ecdsa.PrivateKey:
		if key.Curve == elliptic.P224() {
			return nil, bad("P-256 is what most use", "holds an ECDSA key with the curve P-224, which TLS does not use")
		}
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, bad("RSA, ECDSA and Ed25519 keys are supported", "holds a private key that cannot sign")
}

// Match reports a key that does not belong to the first certificate of a chain. The message stands between the names of their
// files: "the key in a.key" belongs to number 2, not to number 1, of the certificates "in a.pem".
func Match(chain []*x509.Certificate, key crypto.Signer) error {
	for i, c := range chain {
		if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(c.PublicKey) {
			continue
		}
		if i > 0 {
			return bad("put that one first, then the one that issued it, and so on",
				"belongs to number %d, not to number 1, of the certificates", i+1)
		}
		return nil
	}
	return bad("cert and key are made together: one of them is of another time or another name", "does not belong to the certificate")
}
