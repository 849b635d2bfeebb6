package veil

import (
	"crypto/tls"
	"testing"

	"sluice/internal/assert"
)

// pair is two veils that have shaken hands.
func pair(t *testing.T) (client, server *Veil) {
	t.Helper()
	client, server = Client(&tls.Config{ServerName: "sim.test", InsecureSkipVerify: true}), Server(ServerConfig())
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	for !client.Shake() || !server.Shake() {
		carry(client, server)
		server.Shake()
		carry(server, client)
	}
	assert.Equal(t, []error{client.Err(), server.Err()}, []error{nil, nil})
	return client, server
}

func carry(from, to *Veil) {
	to.Feed(from.Out())
	from.Sent(len(from.Out()))
}

// open takes what there is, and what is said then.
func open(v *Veil) (got string, verdict Verdict) {
	b := make([]byte, 100)
	for {
		n, verdict := v.Open(b)
		if n == 0 {
			return got, verdict
		}
		got += string(b[:n])
	}
}

func TestBytesGoBothWaysToACleanEnd(t *testing.T) {
	t.Parallel()
	for _, forges := range []bool{false, true} {
		client, server := pair(t)
		if forges {
			assert.Equal(t, client.Forge(), true)
			assert.Equal(t, server.Forge(), false)
			client.Update()
		}
		assert.NoError(t, client.Seal([]byte("one")))
		client.Notify()
		carry(client, server)
		got, verdict := open(server)
		assert.Equal(t, []any{got, verdict}, []any{"one", Ended})
		assert.NoError(t, server.Seal([]byte("two")))
		carry(server, client)
		got, verdict = open(client)
		assert.Equal(t, []any{got, verdict}, []any{"two", More})
		client.End()
		_, verdict = open(client)
		assert.Equal(t, verdict, Cut)
	}
}

func TestAGarbledRecordIsBad(t *testing.T) {
	t.Parallel()
	client, server := pair(t)
	assert.NoError(t, client.Seal([]byte("one")))
	client.Out()[8] ^= 1
	carry(client, server)
	got, verdict := open(server)
	assert.Equal(t, []any{got, verdict, server.Err() != nil}, []any{"", Bad, true})
}
