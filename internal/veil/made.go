package veil

// What far sides are made of: a certificate, and a ClientHello as crypto/tls does not write it.

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"math/big"
	"sync"
	"time"
)

// Hello writes a ClientHello with 32 times id as its random, for a name, of at least size bytes, cut into records of at most fragment bytes.
func Hello(id byte, name string, size, fragment int) []byte {
	body := []byte{3, 3}
	random := bytes.Repeat([]byte{id}, 32)
	body = append(body, random...)
	body = append(body, 0, 0, 2, 0x13, 0x01, 1, 0)
	var ext []byte
	if name != "" {
		ext = binary.BigEndian.AppendUint16(ext, 0)
		ext = binary.BigEndian.AppendUint16(ext, uint16(len(name)+5))
		ext = binary.BigEndian.AppendUint16(ext, uint16(len(name)+3))
		ext = append(ext, 0)
		ext = binary.BigEndian.AppendUint16(ext, uint16(len(name)))
		ext = append(ext, name...)
	}
	if pad := size - len(ext) - len(body); pad > 0 {
		ext = binary.BigEndian.AppendUint16(ext, 21)
		ext = binary.BigEndian.AppendUint16(ext, uint16(pad))
		ext = append(ext, make([]byte, pad)...)
	}
	body = binary.BigEndian.AppendUint16(body, uint16(len(ext)))
	body = append(body, ext...)
	message := append([]byte{1, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	var wire []byte
	for len(message) > 0 {
		n := min(fragment, len(message))
		wire = append(wire, recordHandshake, 3, 1, byte(n>>8), byte(n))
		wire = append(wire, message[:n]...)
		message = message[n:]
	}
	return wire
}

// ServerConfig is a configuration for servers, shared by all. Signatures of Ed25519 all have the same length, so that a seed replays.
var ServerConfig = sync.OnceValue(func() *tls.Config {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"sim.test"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
	}
	der, err := x509.CreateCertificate(bytes.NewReader(make([]byte, 64)), template, template, public, private)
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
})
