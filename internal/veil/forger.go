package veil

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
)

// forger writes the records of a client of TLS 1.3 from the secrets that crypto/tls logs, because it has no call for a KeyUpdate.
// The suite is TLS_AES_128_GCM_SHA256.
type forger struct {
	secret []byte
	seq    uint64
	aead   cipher.AEAD // of this secret, once it was needed
	iv     []byte
}

const recordAlert, recordHandshake, recordData = 21, 22, 23

// newForger takes the client's first secret out of a key log; nil if there is none.
func newForger(log string) *forger {
	for line := range strings.Lines(log) {
		if fields := strings.Fields(line); fields[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, _ := hex.DecodeString(fields[2])
			return &forger{secret: secret}
		}
	}
	return nil
}

// expand is HKDF-Expand-Label without a context (RFC 8446, 7.1).
func (f *forger) expand(label string, n int) []byte {
	info := append([]byte{0, byte(n), byte(6 + len(label))}, "tls13 "+label+"\x00"...)
	key, err := hkdf.Expand(sha256.New, f.secret, string(info), n)
	if err != nil {
		panic(err)
	}
	return key
}

// record seals one record.
func (f *forger) record(kind byte, data []byte) []byte {
	if f.aead == nil {
		f.rekey()
	}
	nonce := slices.Clone(f.iv)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^f.seq)
	f.seq++
	header := binary.BigEndian.AppendUint16([]byte{recordData, 3, 3}, uint16(len(data)+1+f.aead.Overhead()))
	return f.aead.Seal(header, nonce, append(append([]byte(nil), data...), kind), header)
}

func (f *forger) rekey() {
	block, err := aes.NewCipher(f.expand("key", 16))
	if err != nil {
		panic(err)
	}
	if f.aead, err = cipher.NewGCM(block); err != nil {
		panic(err)
	}
	f.iv = f.expand("iv", 12)
}

// update asks the peer for new keys, and takes new ones (RFC 8446, 4.6.3).
func (f *forger) update() []byte {
	record := f.record(recordHandshake, []byte("\x18\x00\x00\x01\x01"))
	f.secret, f.seq, f.aead = f.expand("traffic upd", 32), 0, nil
	return record
}
