package sock

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sluice/engine/loop"
	"sluice/engine/seal"
	"sluice/engine/stat"
	"sluice/internal/assert"
	"sluice/pool"
)

// only is a configuration that knows one version.
func only(c *tls.Config, version uint16) *tls.Config {
	c.MinVersion, c.MaxVersion = version, version
	return c
}

var roles = []seal.Role{seal.Server, seal.Client}
var versions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// everyWay runs a test for both roles and both versions.
func everyWay(t *testing.T, test func(t *testing.T, role seal.Role, version uint16)) {
	for _, role := range roles {
		for _, version := range versions {
			t.Run(fmt.Sprintf("%s as %s", tls.VersionName(version), []string{"server", "client"}[role]), func(t *testing.T) {
				t.Parallel()
				test(t, role, version)
			})
		}
	}
}

func TestTLSBothWays(t *testing.T) {
	t.Parallel()
	everyWay(t, func(t *testing.T, role seal.Role, version uint16) {
		s := newSafe(t, role, only(serverConfig(), version), clientConfig())
		assert.Equal(t, s.conn.TLS() == nil, true)
		s.shake()
		assert.Equal(t, s.secured, 1)
		state := s.conn.TLS()
		assert.Equal(t, []any{state.Version, state.ALPN, state.ServerName, state.Resumed},
			[]any{version, "http/1.1", "server.test", false})
		assert.Equal(t, len(state.PeerCertificates), int(role)) // a client sees the server's
		k, f := s.receive()
		for _, n := range []int{1, 100, 5000, 16_384, 16_385, 70_000, 300_000} {
			k.got = k.got[:0]
			s.far.write(t, pattern(n))
			s.shake()
			assert.Equal(t, string(k.got) == pattern(n), true)
			out := s.send(pattern(n), false)
			s.shake()
			got, err := s.far.read()
			assert.NoError(t, err)
			assert.Equal(t, got == pattern(n), true)
			out.Cancel()
			assert.Equal(t, s.net.Buffers.InUse(), 0)
		}
		s.send("bye", true)
		s.shake()
		got, err := s.far.read()
		assert.Equal(t, fmt.Sprint(got, err), "byeEOF")
		assert.Equal(t, s.sys.log, []string{"shutdown"})
		assert.NoError(t, s.far.tls.CloseWrite())
		s.shake()
		assert.Equal(t, k.ends, 1)
		assert.Equal(t, f.Over(), true)
		s.close()
		assert.Equal(t, len(s.broken), 0)
	})
}

// The handshake and the data behind it in pieces of any size, to and from a socket that takes what it likes.
func TestTLSTornAtRandom(t *testing.T) {
	t.Parallel()
	everyWay(t, func(t *testing.T, role seal.Role, version uint16) {
		for seed := range uint64(12) {
			torn(t, rand.New(rand.NewPCG(seed, uint64(version))), role, version)
		}
	})
}

func torn(t *testing.T, rng *rand.Rand, role seal.Role, version uint16) {
	size := []int{1, 7, 600, 40_000}[rng.IntN(4)]
	s := &safe{}
	*s = *newSafe(t, role, only(serverConfig(), version), clientConfig())
	s.conn.Own(s)
	s.cut = func(n int) int { return min(n, 1+rng.IntN(size)) }
	s.shake()
	assert.Equal(t, s.secured, 1)
	k, _ := s.receive()
	text := pattern(1 + rng.IntN(min(size*500, 200_000)))
	s.far.write(t, text)
	s.sys.room = 0
	f := s.send(text, true)
	assert.NoError(t, s.far.tls.CloseWrite())
	got := ""
	for range 1_000_000 {
		s.sys.room = rng.IntN(2 * size)
		s.event(loop.Writable)
		s.carry()
		more, err := s.far.read()
		if got += more; err != nil {
			assert.Equal(t, err, io.EOF)
			break
		}
	}
	assert.Equal(t, got == text, true)
	assert.Equal(t, string(k.got) == text, true)
	assert.Equal(t, []any{k.ends, f.Delivered()}, []any{1, true})
	s.sys.room = -1
	s.close()
}

// One byte at a time, a ClientHello costs one step, and so does each flight after it.
func TestTLSByteByByteCostsNoMoreSteps(t *testing.T) {
	t.Parallel()
	workers := loop.NewWorkers(1, 10)
	defer workers.Close()
	s := newSafeOn(t, seal.NewPool(workers), seal.Server, serverConfig(), clientConfig())
	s.cut = func(int) int { return 1 }
	s.shake()
	assert.Equal(t, s.secured, 1)
	// change_cipher_spec comes first, as a record of its own
	assert.Equal(t, workers.Finished() <= 3, true)
	assert.Equal(t, s.net.Handshakes.Under(), int64(0))
	s.close()
}

func TestTLSEndings(t *testing.T) {
	t.Parallel()
	everyWay(t, func(t *testing.T, role seal.Role, version uint16) {
		for _, ending := range []struct {
			name  string
			do    func(s *safe)
			cause error
			text  string
		}{
			{"close_notify", func(s *safe) { must(s.far.tls.CloseWrite()); s.shake() }, nil, ""},
			{"close_notify and FIN", func(s *safe) {
				must(s.far.tls.CloseWrite())
				s.sys.incoming = append(s.sys.incoming, string(s.far.out))
				s.far.out = nil
				s.sys.ended = true
				s.event(loop.Readable | loop.ReadShut)
			}, nil, ""},
			{"FIN", func(s *safe) { s.sys.ended = true; s.event(loop.Readable | loop.ReadShut) }, Truncated, ""},
			{"FIN inside a record", func(s *safe) {
				s.far.write(t, "lost")
				s.sys.incoming = append(s.sys.incoming, string(s.far.out[:10]))
				s.far.out = nil
				s.sys.ended = true
				s.event(loop.Readable | loop.ReadShut)
			}, Truncated, ""},
			{"reset", func(s *safe) {
				s.sys.broken = unix.ECONNRESET
				s.event(loop.Readable | loop.Failed | loop.Hangup)
			}, unix.ECONNRESET, ""},
			{"garbage", func(s *safe) {
				s.give("\x17\x03\x03\x00\x20" + pattern(32))
			}, Violated, "bad record MAC"},
		} {
			s := openSafe(t, role, only(serverConfig(), version), clientConfig())
			k, f := s.receive()
			s.far.write(t, "before")
			s.shake()
			ending.do(s)
			s.settle()
			assert.Equal(t, string(k.got), "before")
			if ending.cause == nil {
				assert.Equal(t, []any{k.ends, f.Delivered(), len(s.broken)}, []any{1, true, 0})
				assert.Equal(t, s.conn.PeerEnds(), true)
			} else {
				assert.Equal(t, k.abort, ending.cause)
				assert.Equal(t, len(s.broken), 1)
				assert.Equal(t, error(s.conn.Cause()), ending.cause)
			}
			if ending.text != "" {
				assert.Equal(t, s.conn.TLSFailure().Text, ending.text)
				s.far.in = append(s.far.in, s.sys.wrote...)
				_, err := s.far.read()
				assert.Equal(t, strings.Contains(err.Error(), ending.text), true) // the alert has come
			}
			s.close()
		}
	})
}

// The peer's alert after the handshake, as a client sends it that does not trust a TLS 1.3 server.
func TestTLSAlertAfterTheHandshake(t *testing.T) {
	t.Parallel()
	server, client := only(serverConfig(), tls.VersionTLS13), clientConfig()
	client.RootCAs = nil
	s := newSafe(t, seal.Server, server, client)
	s.shake()
	assert.Equal(t, s.far.err != nil, true)
	if s.secured == 1 {
		s.receive()
		s.settle()
		assert.Equal(t, s.conn.TLSFailure().Kind, seal.Refused)
	} else {
		assert.Equal(t, s.failures[0].Kind, seal.Refused)
		assert.Equal(t, s.failures[0].Text, "peer sent alert: bad certificate")
	}
	s.close()
}

// Ciphertext that the kernel does not take counts as unsent, keeps a flow from being done, and leaves with the next event.
func TestTLSWriteStalls(t *testing.T) {
	t.Parallel()
	s := openSafe(t, seal.Server, serverConfig(), clientConfig())
	s.sys.room = 10
	f := s.send("hello", true)
	assert.Equal(t, []bool{f.Stalled(), f.Over(), s.conn.AwaitFlush()}, []bool{true, false, false})
	assert.Equal(t, s.conn.Unsent() > 20, true)
	assert.Equal(t, s.conn.Queued(), 0)
	s.sys.room = 5
	s.event(loop.Writable)
	assert.Equal(t, []any{f.Over(), s.flushed, len(s.sys.log)}, []any{false, 0, 0})
	s.sys.room = -1
	s.event(loop.Writable)
	assert.Equal(t, []any{f.Delivered(), s.flushed, s.conn.Unsent()}, []any{true, 1, 0})
	assert.Equal(t, s.sys.log, []string{"shutdown"})
	s.carry()
	got, err := s.far.read()
	assert.Equal(t, fmt.Sprint(got, err), "helloEOF")
	s.close()
}

// Queued bytes alone, with nothing behind them.
func TestTLSQueueStalls(t *testing.T) {
	t.Parallel()
	s := openSafe(t, seal.Server, serverConfig(), clientConfig())
	s.sys.room = 3
	s.conn.Queue([]byte("queued"))
	assert.Equal(t, s.conn.AwaitFlush(), false)
	s.settle()
	assert.Equal(t, []any{s.flushed, s.conn.Queued(), s.conn.Unmoved()}, []any{0, 0, false})
	s.conn.Queue([]byte(" twice")) // behind what is sealed
	s.settle()
	assert.Equal(t, s.conn.Queued(), 6)
	s.sys.room = -1
	s.event(loop.Writable)
	assert.Equal(t, s.flushed, 1)
	s.carry()
	got, err := s.far.read()
	assert.NoError(t, err)
	assert.Equal(t, got, "queued twice")
	s.close()
}

// A head and the first bytes of its body are one record, and leave by one write.
func TestTLSHeadAndBodyShareARecord(t *testing.T) {
	t.Parallel()
	s := openSafe(t, seal.Server, serverConfig(), clientConfig())
	s.sys.silent = false
	s.sys.wrote = nil
	s.conn.Queue([]byte(strings.Repeat("h", 200)))
	s.send(strings.Repeat("b", 300), false)
	const record = 5 + 500 + 1 + 16
	assert.Equal(t, s.sys.log, []string{fmt.Sprint("send ", record)})
	assert.Equal(t, s.sys.wrote[:5], []byte{23, 3, 3, (record - 5) >> 8, (record - 5) & 255})
	s.close()
}

// A transfer goes in records of full size, four by a write, whatever was queued ahead of it.
func TestTLSBulkGoesInFullRecords(t *testing.T) {
	t.Parallel()
	s := openSafe(t, seal.Server, serverConfig(), clientConfig())
	s.send(pattern(300_000), false) // crypto/tls begins with short records
	s.sys.wrote, s.sys.silent = nil, false
	s.conn.Queue([]byte("head"))
	s.send(pattern(64<<10), false)
	var sizes []int
	for b := s.sys.wrote; len(b) > 0; {
		n := 5 + int(b[3])<<8 + int(b[4])
		sizes = append(sizes, n-5-17)
		b = b[n:]
	}
	assert.Equal(t, sizes, []int{16384, 16384, 16384, 16384, 4})
	assert.Equal(t, len(s.sys.log), 2)
	s.close()
}

// Flows of known length, peeks and discards see plaintext, and what lies beyond stays for the next.
func TestTLSBoundsAndPeeks(t *testing.T) {
	t.Parallel()
	s := openSafe(t, seal.Server, serverConfig(), clientConfig())
	s.far.write(t, "HEADbo")
	s.far.write(t, "dyNEXT")
	k := &peeker{enough: 4, done: func(c *Conn) { c.Discard(4) }}
	s.conn.Peek(k)
	s.shake()
	assert.Equal(t, k.seen, "HEADbodyNEXT")
	body, f := s.bounded(4)
	assert.Equal(t, string(body.got), "body")
	assert.Equal(t, f.Delivered(), true)
	assert.Equal(t, string(s.conn.Ahead()), "NEXT")
	s.conn.Discard(4)
	assert.Equal(t, s.conn.Waiting(), false)
	assert.Equal(t, s.net.Buffers.InUse(), 0)
	body, f = s.bounded(100) // cut short
	s.far.write(t, "half")
	must(s.far.tls.CloseWrite())
	s.shake()
	assert.Equal(t, string(body.got), "half")
	assert.Equal(t, body.abort, io.ErrUnexpectedEOF)
	assert.Equal(t, f.Delivered(), false)
	s.close()
}

// Tickets are no bytes for whoever waits on an idle connection.
func TestTLSTicketsDoNotTouchAnIdleConnection(t *testing.T) {
	t.Parallel()
	s := openSafe(t, seal.Client, serverConfig(), clientConfig())
	k := &peeker{}
	s.conn.Peek(k)
	s.shake()
	s.settle()
	assert.Equal(t, k.calls, 0)
	assert.Equal(t, s.conn.Waiting(), false)
	assert.Equal(t, s.net.Buffers.InUse(), 0)
	must(s.far.tls.CloseWrite())
	s.shake()
	assert.Equal(t, []int{k.calls, k.eofs}, []int{1, 1})
	s.close()
}

func TestTLSResumes(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		server, client := only(serverConfig(), version), clientConfig()
		client.ClientSessionCache = tls.NewLRUClientSessionCache(2)
		for _, role := range roles {
			server := server.Clone()
			server.SetSessionTicketKeys([][32]byte{{1}})
			for round := range 2 {
				s := openSafe(t, role, server, client)
				s.receive()
				s.far.write(t, "x")
				s.send("y", false)
				s.shake()
				_, err := s.far.read()
				assert.NoError(t, err)
				assert.Equal(t, s.conn.TLS().Resumed, round == 1 || role == seal.Client)
				s.close()
			}
		}
	}
}

func TestTLSFarewells(t *testing.T) {
	t.Parallel()
	for _, drain := range []bool{false, true} {
		s, g := openSafe(t, seal.Server, serverConfig(), clientConfig()), gated()
		s.conn.Peek(&peeker{}) // nothing has come
		s.conn.EndPeek()
		assert.Equal(t, s.sys.acked, 1)
		s.sys.room = 7
		s.conn.Queue([]byte("last words"))
		s.conn.Farewell(drain, g)
		s.settle()
		assert.Equal(t, g.Used(), int64(1))
		s.sys.room = 40 // the message, not all of close_notify
		s.event(loop.Writable)
		s.sys.room = -1
		if drain {
			assert.Equal(t, len(s.sys.log), 0) // the end of the stream waits for the ciphertext
			s.event(loop.Writable)
			assert.Equal(t, s.sys.log, []string{"shutdown"})
			s.give(pattern(50_000)) // nobody opens what is dropped
			s.sys.ended = true
			s.event(loop.Readable | loop.ReadShut)
		}
		s.event(loop.Writable)
		assert.Equal(t, g.Used(), int64(0))
		s.far.in = append(s.far.in, s.sys.wrote...)
		got, err := s.far.read()
		assert.Equal(t, []any{got, err}, []any{"last words", io.EOF})
		s.gone()
	}
}

// A peer that ends while close_notify waits for room still gets it, and what was before it.
func TestTLSFarewellToOneWhoEndsFirst(t *testing.T) {
	t.Parallel()
	s, g := openSafe(t, seal.Server, serverConfig(), clientConfig()), gated()
	s.sys.room = 40
	s.conn.Queue([]byte("last words"))
	s.conn.Farewell(true, g)
	s.settle()
	s.sys.ended = true
	s.event(loop.Readable | loop.ReadShut)
	assert.Equal(t, g.Used(), int64(1))
	s.sys.room = -1
	s.event(loop.Writable)
	assert.Equal(t, g.Used(), int64(0))
	s.far.in = append(s.far.in, s.sys.wrote...)
	got, err := s.far.read()
	assert.Equal(t, []any{got, err}, []any{"last words", io.EOF})
	s.gone()
}

// A farewell to a peer that takes nothing is a cut, with ciphertext as without.
func TestTLSFarewellToADeafPeer(t *testing.T) {
	t.Parallel()
	s, g := openSafe(t, seal.Server, serverConfig(), clientConfig()), gated()
	s.sys.room = 7
	s.conn.Queue([]byte("last words"))
	s.conn.Farewell(false, g)
	s.pass(farewellTotal + farewellStall)
	assert.Equal(t, g.Used(), int64(0))
	assert.Equal(t, s.sys.log, []string{"reset", "close"})
	s.gone()
}

// Every way out gives back what waits; only Close says close_notify.
func TestTLSWaysOut(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]func(c *Conn){"close": (*Conn).Close, "reset": (*Conn).Reset, "drop": (*Conn).Drop, "cut": (*Conn).Cut} {
		for _, room := range []int{-1, 0, 30} {
			s := openSafe(t, seal.Server, serverConfig(), clientConfig())
			s.sys.room = room
			f := s.send("text", false)
			if name == "cut" {
				s.conn.Queue([]byte(" and more"))
			}
			way(s.conn)
			f.Cancel()
			s.gone()
			s.far.in = append(s.far.in, s.sys.wrote...)
			s.far.eof = true
			got, err := s.far.read()
			switch {
			case room == 0:
				assert.Equal(t, got, "")
			case room > 0: // close_notify is cut in the middle
				assert.Equal(t, err == io.ErrUnexpectedEOF, name == "close" || name == "cut")
			case name == "cut":
				assert.Equal(t, got, "text and more")
			default:
				assert.Equal(t, got, "text")
			}
			if room < 0 {
				closed := len(s.sys.wrote) >= 24 && strings.HasSuffix(fmt.Sprint(s.sys.log), "close]")
				assert.Equal(t, []any{err, closed}, []any{io.EOF, true})
			}
		}
	}
}

// forge opens a desk whose peer's records are written by a forger.
func forge(t *testing.T) (*safe, *forger) {
	t.Helper()
	var log strings.Builder
	client := clientConfig()
	client.KeyLogWriter = &log
	s := openSafe(t, seal.Server, serverConfig(), client)
	assert.Equal(t, s.conn.TLS().Cipher, tls.TLS_AES_128_GCM_SHA256)
	return s, newForger(t, log.String())
}

func TestTLSKeyUpdates(t *testing.T) {
	t.Parallel()
	s, f := forge(t)
	k, _ := s.receive()
	for range 20 {
		s.give(f.update())
		s.give(f.update() + f.record(23, "x"))
		s.carry()
		s.send("y", false).Cancel()
		s.carry()
	}
	assert.Equal(t, string(k.got), strings.Repeat("x", 20))
	got, err := s.far.read() // it has to follow the answers to read this
	assert.NoError(t, err)
	assert.Equal(t, got, strings.Repeat("y", 20))
	s.close()
}

// A peer may ask for new keys when our half of the stream has ended already: it gets no answer, and its half goes on.
func TestTLSKeyUpdatesBehindTheEnd(t *testing.T) {
	t.Parallel()
	s, f := forge(t)
	k, _ := s.receive()
	s.send("bye", true)
	said := len(s.sys.wrote)
	for range 3 {
		s.give(f.update() + f.record(23, "x"))
	}
	assert.Equal(t, string(k.got), "xxx")
	assert.Equal(t, []int{len(s.sys.wrote), len(s.broken)}, []int{said, 0})
	s.far.in = append(s.far.in, s.sys.wrote...)
	got, err := s.far.read()
	assert.Equal(t, []any{got, err}, []any{"bye", io.EOF})
	s.close()
}

// Who asks for new keys without taking the answers is not served for ever: what waits for it has an end.
func TestTLSKeyUpdatesToNobody(t *testing.T) {
	t.Parallel()
	s, f := forge(t)
	s.receive()
	s.sys.room = 0
	updates := 0
	for ; len(s.broken) == 0 && updates < 20_000; updates++ {
		s.give(f.update() + f.record(23, "x"))
		assert.Equal(t, s.net.Buffers.InUseBytes() <= 2*pool.Large.Size(), true)
		if f := s.conn.TLSFailure(); f != nil {
			break
		}
	}
	assert.Equal(t, updates > 100 && updates < 20_000, true)
	s.close()
}

func TestTLSDeadline(t *testing.T) {
	t.Parallel()
	for _, role := range roles {
		s := newSafe(t, role, serverConfig(), clientConfig())
		s.work()
		s.pass(2 * time.Minute)
		assert.Equal(t, s.failures, []*seal.Failure{seal.TooSlow})
		s.close()
		assert.Equal(t, s.secured, 0)
	}
}

// Whatever moment the owner chooses to leave, nothing remains: no buffer, no coroutine, no count.
func TestTLSCancelledAtEveryStep(t *testing.T) {
	t.Parallel()
	workers := loop.NewWorkers(1, 10)
	defer workers.Close()
	pool := seal.NewPool(workers)
	everywhere := []func(c *Conn){(*Conn).Close, (*Conn).Reset, (*Conn).Drop, func(c *Conn) { c.Farewell(true, gated()) }}
	for _, role := range roles {
		for at := range 8 {
			s := newSafeOn(t, pool, role, only(serverConfig(), tls.VersionTLS12), clientConfig())
			s.cut = func(n int) int { return (n + 1) / 2 }
			out := everywhere[at%len(everywhere)]
			for range at / 2 {
				s.carry()
			}
			if at%2 == 0 {
				s.settle() // a step may be under way
			}
			out(s.conn)
			s.sys.ended = true
			s.event(loop.Readable | loop.ReadShut | loop.Hangup)
			for pool.Under() > 0 {
				s.loop.Posted()
			}
			s.gone()
		}
	}
	assert.Equal(t, workers.Waiting(), 0)
}

func TestTLSFailures(t *testing.T) {
	t.Parallel()
	stranger := clientConfig()
	stranger.RootCAs = nil
	wrong := clientConfig()
	wrong.ServerName = "other.test"
	mutual := serverConfig()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, testCA().pool
	alpn := clientConfig()
	alpn.NextProtos = []string{"gopher"}
	for _, one := range []struct {
		role           seal.Role
		server, client *tls.Config
		kind           seal.Kind
		text           string
	}{
		{seal.Client, serverConfig(), stranger, seal.Certificate, "certificate signed by unknown CA"},
		{seal.Client, serverConfig(), wrong, seal.Certificate, "certificate is valid for server.test, not other.test"},
		{seal.Server, serverConfig(), only(stranger, tls.VersionTLS12), seal.Refused, "peer sent alert: bad certificate"},
		{seal.Server, mutual, clientConfig(), seal.Certificate, "client didn't provide a certificate"},
		{seal.Server, only(serverConfig(), tls.VersionTLS13), only(clientConfig(), tls.VersionTLS12), seal.Protocol,
			"client offered only unsupported versions: [303]"},
		{seal.Client, only(serverConfig(), tls.VersionTLS13), only(clientConfig(), tls.VersionTLS12), seal.Refused,
			"peer sent alert: protocol version not supported"},
		{seal.Server, serverConfig(), alpn, seal.Protocol, `client requested unsupported application protocols (["gopher"])`},
	} {
		s := newSafe(t, one.role, one.server, one.client)
		s.shake()
		if len(s.failures) != 1 {
			t.Fatalf("%s: %d failures, secured %d", one.text, len(s.failures), s.secured)
		}
		assert.Equal(t, s.failures[0].Text, one.text)
		assert.Equal(t, s.failures[0].Kind, one.kind)
		assert.Equal(t, s.conn.TLS() == nil, true)
		if s.far.err == nil && one.kind != seal.Refused { // the alert has come
			_, err := s.far.read()
			assert.Equal(t, err != nil && err != io.EOF, true)
		}
		g := gated()
		s.conn.Farewell(true, g)
		s.sys.ended = true
		s.event(loop.Readable | loop.ReadShut)
		assert.Equal(t, g.Used(), int64(0))
		s.gone()
	}
}

func TestTLSPeersThatSpeakSomethingElse(t *testing.T) {
	t.Parallel()
	for first, kind := range map[string]seal.Kind{"GET / HTTP/1.1\r\n\r\n": seal.NotTLS, "\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00": seal.Protocol} {
		s := newSafe(t, seal.Server, serverConfig(), clientConfig())
		s.give(first)
		s.work()
		assert.Equal(t, len(s.failures), 1)
		assert.Equal(t, s.failures[0].Kind, kind)
		s.close()
	}
	s := newSafe(t, seal.Server, serverConfig(), clientConfig())
	s.sys.ended = true
	s.event(loop.Readable | loop.ReadShut)
	s.work()
	assert.Equal(t, s.failures[0].Kind, seal.Gone)
	s.close()
	s = newSafe(t, seal.Server, serverConfig(), clientConfig())
	s.sys.broken = unix.ECONNRESET
	s.event(loop.Readable | loop.Failed | loop.Hangup)
	s.work()
	assert.Equal(t, len(s.failures), 0)
	assert.Equal(t, s.broken[0], unix.ECONNRESET)
	s.close()
}

// An alert that came before a reset says more than the reset.
func TestTLSAlertBeforeAReset(t *testing.T) {
	t.Parallel()
	stranger := clientConfig()
	stranger.RootCAs = nil
	s := newSafe(t, seal.Server, only(serverConfig(), tls.VersionTLS12), stranger)
	for s.far.shake(); s.far.err == nil; s.far.shake() {
		s.give(string(s.far.out))
		s.far.out = nil
		s.work()
		s.far.in = append(s.far.in, s.sys.wrote...)
		s.sys.wrote = nil
	}
	s.sys.incoming = append(s.sys.incoming, string(s.far.out))
	s.sys.broken = unix.ECONNRESET
	s.event(loop.Readable | loop.Failed | loop.Hangup)
	s.work()
	assert.Equal(t, len(s.broken), 0)
	assert.Equal(t, s.failures[0].Kind, seal.Refused)
	s.close()
}

// A handshake that finds the workers' queue full is told so at once.
func TestTLSBusy(t *testing.T) {
	t.Parallel()
	none := loop.NewWorkers(0, 1)
	defer none.Close()
	first := newSafeOn(t, seal.NewPool(none), seal.Client, serverConfig(), clientConfig())
	assert.Equal(t, len(first.failures), 0) // it waits in the queue
	second := &safe{desk: first.desk}
	other, err := first.net.Dial(&Addr{Addr: netip.MustParseAddrPort("192.0.2.1:81")}, second)
	assert.Equal(t, err, 0)
	first.loop.Event(8, loop.Writable)
	other.Secure(Security{Config: clientConfig(), Role: seal.Client})
	first.settle()
	assert.Equal(t, second.failures, []*seal.Failure{seal.TooBusy})
	assert.Equal(t, first.net.Handshakes.Under(), int64(1))
	other.Close()
	first.settle()
}

// A peer that sends its bytes in records of their own has its turns end like one that sends many bytes.
func TestTLSSmallRecordsTakeTheirShare(t *testing.T) {
	t.Parallel()
	s := openSafe(t, seal.Server, serverConfig(), clientConfig())
	k, _ := s.receive()
	const records = 3 * turnBytes / recordCost
	for range records {
		s.far.write(t, "x")
	}
	s.sys.incoming = append(s.sys.incoming, string(s.far.out))
	s.loop.Event(7, loop.Readable)
	assert.Equal(t, len(k.got) > 0 && len(k.got) <= turnBytes/recordCost+64, true)
	assert.Equal(t, s.poller.roused, true)
	s.settle()
	assert.Equal(t, len(k.got), records)
	s.close()
}

// A panic on a worker costs the connection it happened for.
func TestTLSPanicInAHandshake(t *testing.T) {
	t.Parallel()
	workers := loop.NewWorkers(1, 10)
	defer workers.Close()
	server := serverConfig()
	server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { panic("no configuration") }
	var reported any
	s := &safe{desk: openDesk(t)}
	s.loop = loop.New(loop.Config{Poller: s.poller, Stats: new(stat.Block), Report: func(value any, _ []byte) { reported = value }})
	s.net = NewNet(s.loop, s.sys, pool.NewArena(0), pool.NewPipes(pool.OSPipes{}, pool.NewPipeBudget(0), 0, 0))
	s.net.Handshakes = seal.NewPool(workers)
	var err error
	s.conn, err = s.net.conn(7)
	assert.Equal(t, err, error(syscall.Errno(0)))
	s.conn.Own(s)
	s.event(loop.Writable)
	s.far = newFar(t, clientConfig(), seal.Client)
	s.conn.Secure(Security{Config: server})
	s.shake()
	assert.Equal(t, reported, any("no configuration"))
	assert.Equal(t, len(s.failures), 1)
	assert.Equal(t, s.failures[0].Kind, seal.Crashed)
	assert.Equal(t, s.net.Handshakes.Under(), int64(0))
	s.close()
}

// The usual way in: the ClientHello is peeked at to decide that TLS ends here, and goes into the handshake, whatever its
// size.
func TestTLSAfterAPeek(t *testing.T) {
	t.Parallel()
	crowd := clientConfig()
	for n := range 200 {
		crowd.NextProtos = append(crowd.NextProtos, fmt.Sprintf("%0200d", n))
	}
	for _, client := range []*tls.Config{clientConfig(), crowd} {
		s := &safe{desk: openDesk(t)}
		s.net.Handshakes = testWorkers()
		s.sys.silent = true
		s.conn.Own(s)
		s.far = newFar(t, client, seal.Client)
		s.far.shake()
		s.conn.Peek(&peeker{enough: len(s.far.out), done: func(c *Conn) { c.Secure(Security{Config: serverConfig()}) }})
		s.shake()
		assert.Equal(t, []int{s.secured, len(s.failures)}, []int{1, 0})
		assert.NoError(t, s.far.err)
		assert.Equal(t, s.net.Buffers.InUse(), 0)
		s.close()
	}
}

// A peer that has gone while its hello was looked at.
func TestTLSAfterAPeekToTheEnd(t *testing.T) {
	t.Parallel()
	s := &safe{desk: openDesk(t)}
	s.net.Handshakes = testWorkers()
	s.conn.Own(s)
	s.far = newFar(t, clientConfig(), seal.Client)
	s.far.shake()
	s.sys.incoming, s.sys.ended = []string{string(s.far.out)}, true
	s.conn.Peek(&peeker{})
	s.event(loop.Readable | loop.ReadShut)
	s.event(loop.Readable)
	s.conn.EndPeek()
	s.conn.Secure(Security{Config: serverConfig()})
	s.settle()
	s.work()
	assert.Equal(t, s.failures[0].Kind, seal.Gone)
	s.close()
}
