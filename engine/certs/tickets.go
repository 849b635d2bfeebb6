package certs

// Keys of session tickets (RFC 5077; RFC 8446, section 4.6.1). Every 12 hours a new one seals, and the three before it still
// open, so a session can be resumed for 36 to 48 hours. All loops and listeners of a process seal with keys of the same
// secrets, but listeners with different authorities for clients have different keys (scope), or a session could carry a client from one
// to the other.
//
//	key = HKDF-SHA-256(secret, info = "sluice session ticket" | epoch | scope)
//
// Secrets are made at random, one an epoch, and forgotten with it: then nobody can open the tickets, and what TLS 1.2 sessions
// have said under them. Or they come from a file, which several proxies may share and which outlives a restart. Then the
// epoch alone makes the difference: the keys rotate as well, and who has read the file has all of them. Replace it from time to
// time, new first: the first line seals, all lines open.

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"sluice/configs/credential"
)

const (
	// ticketEpoch is how long one key seals.
	ticketEpoch = 12 * time.Hour
	// ticketEpochs is how many keys open: 48 hours.
	ticketEpochs = 4
)

// epochOf numbers the epochs of all proxies alike.
func epochOf(now time.Time) int64 { return now.Unix() / int64(ticketEpoch/time.Second) }

// A scope separates the tickets of listeners: their authorities for clients in short. The zero scope is that of none.
type scope = [sha256.Size]byte

// ticketKey derives the key of an epoch.
func ticketKey(secret []byte, epoch int64, of scope) (key [32]byte) {
	info := binary.BigEndian.AppendUint64([]byte("sluice session ticket"), uint64(epoch))
	derived, err := hkdf.Key(sha256.New, secret, nil, string(append(info, of[:]...)), len(key))
	if err != nil {
		panic("certs: " + err.Error()) // only if far more than 32 bytes are asked for, or a secret is too short in FIPS mode
	}
	copy(key[:], derived)
	return key
}

// Tickets makes secrets and forgets them. One of them for all listeners of a process, kept over reloads, lets clients resume
// wherever they may. It is safe for concurrent use.
type Tickets struct {
	mu      sync.Mutex
	secrets []epochSecret // the newest first
}

// An epochSecret is used in one epoch.
type epochSecret struct {
	epoch  int64
	secret [32]byte
}

// NewTickets returns Tickets without a past.
func NewTickets() *Tickets { return &Tickets{} }

// keys returns the keys for one scope, the one that seals first.
func (t *Tickets) keys(now time.Time, of scope) (keys [][32]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	epoch := epochOf(now)
	if len(t.secrets) == 0 || t.secrets[0].epoch < epoch { // a clock that was set back changes nothing
		fresh := epochSecret{epoch: epoch}
		rand.Read(fresh.secret[:])
		t.secrets = slices.Insert(t.secrets, 0, fresh)
		t.secrets = slices.DeleteFunc(t.secrets, func(s epochSecret) bool { return s.epoch <= epoch-ticketEpochs })
	}
	for _, s := range t.secrets {
		keys = append(keys, ticketKey(s.secret[:], s.epoch, of))
	}
	return keys
}

// fileSecrets are those of a file. They never change.
type fileSecrets [][]byte

// parseTickets reads the text of one file. Its errors are *FileError.
func parseTickets(files, texts []string) (fileSecrets, error) {
	secrets, err := credential.TicketKeys([]byte(texts[0]))
	if err != nil {
		return nil, &FileError{File: files[0], Err: err}
	}
	return secrets, nil
}

// keys returns the keys for one scope, the one that seals first. Those of the next epoch open, too: the clock of another proxy with
// the same file may be ahead.
func (f fileSecrets) keys(now time.Time, of scope) (keys [][32]byte) {
	epoch := epochOf(now)
	for _, secret := range f {
		for back := range int64(ticketEpochs) {
			keys = append(keys, ticketKey(secret, epoch-back, of))
		}
	}
	for _, secret := range f {
		keys = append(keys, ticketKey(secret, epoch+1, of))
	}
	return keys
}
