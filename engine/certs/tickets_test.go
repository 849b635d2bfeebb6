package certs

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sluice/internal/assert"
)

// aDay is some midnight, far from where an epoch begins or ends by chance.
var aDay = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func TestTicketsRotate(t *testing.T) {
	tickets := NewTickets()
	var of scope
	keys := tickets.keys(aDay, of)
	assert.Equal(t, len(keys), 1)
	first := keys[0]
	assert.Equal(t, tickets.keys(aDay.Add(ticketEpoch-time.Second), of), keys)
	for i, want := range []int{2, 3, 4, 4} {
		keys = tickets.keys(aDay.Add(time.Duration(i+1)*ticketEpoch), of)
		assert.Equal(t, len(keys), want)
		assert.Equal(t, slices.Index(keys, first), []int{1, 2, 3, -1}[i]) // it seals no more, then it is forgotten
	}
	assert.Equal(t, tickets.keys(aDay, of), keys) // the clock was set back
	assert.Equal(t, len(tickets.keys(aDay.Add(40*ticketEpoch), of)), 1)
	other := tickets.keys(aDay.Add(40*ticketEpoch), scope{1})
	assert.Equal(t, slices.Contains(tickets.keys(aDay.Add(40*ticketEpoch), of), other[0]), false)
}

func TestTicketsOfAFile(t *testing.T) {
	one, two := make([]byte, 80), make([]byte, 48)
	rand.Read(one)
	rand.Read(two)
	text := base64.StdEncoding.EncodeToString(two) + " # new\n" + base64.StdEncoding.EncodeToString(one) + "\n"
	both, err := parseTickets([]string{"t"}, []string{text})
	assert.NoError(t, err)
	old, err := parseTickets([]string{"t"}, []string{string(one)})
	assert.NoError(t, err)
	before, after := old.keys(aDay, scope{}), both.keys(aDay, scope{})
	assert.Equal(t, len(before), 5)
	assert.Equal(t, len(after), 10)
	assert.Equal(t, slices.Contains(after, before[0]), true)  // what was sealed still opens
	assert.Equal(t, slices.Contains(before, after[0]), false) // the first line seals
	next := old.keys(aDay.Add(ticketEpoch), scope{})
	assert.Equal(t, slices.Contains(before, next[0]), true) // of another proxy, whose clock is ahead
	assert.Equal(t, slices.Index(next, before[0]), 1)
	assert.Equal(t, slices.Contains(old.keys(aDay.Add(3*ticketEpoch), scope{}), before[0]), true)
	assert.Equal(t, slices.Contains(old.keys(aDay.Add(4*ticketEpoch), scope{}), before[0]), false)
	assert.Equal(t, slices.Contains(old.keys(aDay, scope{1}), before[0]), false)
}

// A session is resumed for two days, whatever listener it was made with, and not longer.
func TestResumption(t *testing.T) {
	versionsOf(t, func(t *testing.T, version uint16) {
		root := newCA(t, "root", nil)
		now := newClock(time.Unix((epochOf(time.Now())+1)*int64(ticketEpoch/time.Second), 0))
		o := Options{TLS: served(root.site(t, "", "a.test").files(t, t.TempDir(), "a")), Tickets: NewTickets(), Watch: Watch{Now: now.now}}
		s := open(t, o)
		client := remembers(trusting(root, "a.test"))
		client.MaxVersion = version
		client.Time = now.now
		assert.Equal(t, meet(t, s.Config(), client).client.DidResume, false)
		client.ClientSessionCache = frozen{client.ClientSessionCache} // always the first ticket
		assert.Equal(t, meet(t, s.Config(), client).client.DidResume, true)
		for range 3 {
			now.advance(ticketEpoch - time.Second)
			s.look()
			assert.Equal(t, meet(t, s.Config(), client).client.DidResume, true)
			now.advance(time.Second)
		}
		assert.Equal(t, meet(t, open(t, o).Config(), client).client.DidResume, true) // after a reload
		now.advance(ticketEpoch)
		s.look()
		assert.Equal(t, meet(t, s.Config(), client).client.DidResume, false)
	})
}

// frozen remembers nothing new.
type frozen struct{ tls.ClientSessionCache }

func (f frozen) Put(string, *tls.ClientSessionState) {}

// With a file, sessions outlive the process, and a broken file changes nothing.
func TestResumptionOverRestart(t *testing.T) {
	root := newCA(t, "root", nil)
	dir := t.TempDir()
	secret := make([]byte, 80)
	rand.Read(secret)
	var told journal
	o := Options{TLS: served(root.site(t, "", "a.test").files(t, dir, "a")), Watch: told.watch(nil)}
	o.TLS.TicketKeys = put(t, filepath.Join(dir, "tickets.key"), string(secret))
	client := remembers(trusting(root, "a.test"))
	meet(t, open(t, o).Config(), client)
	s := open(t, o)
	assert.Equal(t, meet(t, s.Config(), client).client.DidResume, true)
	put(t, o.TLS.TicketKeys, "short")
	s.look()
	has(t, told.take(), "trouble: "+o.TLS.TicketKeys+" is not a key for tickets")
	assert.Equal(t, s.Refused(), 1)
	assert.Equal(t, meet(t, s.Config(), client).client.DidResume, true)
	rand.Read(secret)
	put(t, o.TLS.TicketKeys, string(secret))
	s.look()
	assert.Equal(t, told.take(), "recovered: "+o.TLS.TicketKeys)
	assert.Equal(t, meet(t, s.Config(), client).client.DidResume, false)
	assert.Equal(t, meet(t, s.Config(), client).client.DidResume, true)
}

// FuzzTickets reads any text as a file of secrets.
func FuzzTickets(f *testing.F) {
	f.Add(string(make([]byte, 48)), int64(0))
	f.Add(base64.StdEncoding.EncodeToString(make([]byte, 80))+"\n#\n", int64(1<<60))
	f.Add("AAAA\n", int64(-1))
	f.Fuzz(func(t *testing.T, text string, at int64) {
		secrets, err := parseTickets([]string{"t"}, []string{text})
		if (len(secrets) == 0) == (err == nil) {
			t.Fatalf("%d secrets, %v", len(secrets), err)
		}
		if keys := secrets.keys(time.Unix(at, 0), scope{}); len(keys) != len(secrets)*(ticketEpochs+1) {
			t.Fatalf("%d keys", len(keys))
		}
	})
}
