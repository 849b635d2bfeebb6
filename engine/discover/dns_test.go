package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sluice/engine/watch"
	"sluice/internal/assert"
)

// follows makes a source for app.test:80.
func follows(o Options) *dnsSource {
	return &dnsSource{book: newBook(o), name: "app.test", port: 80}
}

func TestAddressesOfBothFamilies(t *testing.T) {
	server := startServer(t)
	server.serves(t, "app.test. 60 A 10.0.0.2", "app.test. 30 A 10.0.0.1", "app.test. 90 AAAA fd00::1", "app.test. 60 AAAA ::ffff:10.0.0.1")
	r := ask(t, follows(options(t, server)), patience)
	assert.NoError(t, r.err)
	assert.Equal(t, list(r.found), "10.0.0.1:80, 10.0.0.2:80, [fd00::1]:80")
	assert.Equal(t, r.good, 30*time.Second)
	assert.Equal(t, r.found[0].Name, "app.test")
	assert.Equal(t, server.asked.Load(), 2)
}

func TestTTLIsClamped(t *testing.T) {
	server := startServer(t)
	for ttl, want := range map[string]time.Duration{"0": time.Second, "1": time.Second, "299": 299 * time.Second,
		"86400": 5 * time.Minute, "4294967295": time.Second} {
		server.serves(t, "app.test. "+ttl+" A 10.0.0.1")
		assert.Equal(t, ask(t, follows(options(t, server)), patience).good, want)
	}
}

func TestAliases(t *testing.T) {
	server := startServer(t)
	server.serves(t, "app.test. 50 CNAME b.test.", "b.test. 20 CNAME c.test.", "c.test. 60 A 10.0.0.7", "other.test. 5 A 10.0.0.9")
	r := ask(t, follows(options(t, server)), patience)
	assert.NoError(t, r.err)
	assert.Equal(t, list(r.found), "10.0.0.7:80")
	assert.Equal(t, r.good, 20*time.Second)
}

func TestAliasesInACircle(t *testing.T) {
	server := startServer(t)
	server.serves(t, "app.test. 50 CNAME b.test.", "b.test. 20 CNAME app.test.")
	has(t, ask(t, follows(options(t, server)), patience).err, "nothing of that name")
}

// Records under names that nobody asked for are no answer.
func TestForeignRecordsDoNotCount(t *testing.T) {
	server := startServer(t)
	records := parseRecords(t, []string{"evil.test. 60 A 10.6.6.6", "app.test. 60 A 10.0.0.1", "app.test. 60 A 0.0.0.0"})
	server.handle(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		m.Answer = records
		w.WriteMsg(m)
	})
	assert.Equal(t, list(ask(t, follows(options(t, server)), patience).found), "10.0.0.1:80")
}

// What fails changes nothing once there was an answer, and is an error before.
func TestFailuresKeepTheLastAnswer(t *testing.T) {
	cases := map[string]struct {
		fail func(*nameServer)
		want string
	}{
		"SERVFAIL":        {func(s *nameServer) { s.fails(dns.RcodeServerFailure) }, "SERVFAIL"},
		"REFUSED":         {func(s *nameServer) { s.fails(dns.RcodeRefused) }, "REFUSED"},
		"unknown error":   {func(s *nameServer) { s.fails(12) }, "error 12"},
		"silence":         {(*nameServer).silent, "no answer"},
		"NXDOMAIN":        {func(s *nameServer) { s.fails(dns.RcodeNameError) }, "nothing of that name"},
		"nothing of type": {func(s *nameServer) { s.serves(t, "app.test. 60 TXT gone") }, "nothing of that name"},
		"referral": {func(s *nameServer) {
			s.handle(func(w dns.ResponseWriter, q *dns.Msg) { w.WriteMsg(new(dns.Msg).SetReply(q)) })
		}, "neither knows"},
		"another question": {func(s *nameServer) {
			s.handle(func(w dns.ResponseWriter, q *dns.Msg) {
				m := new(dns.Msg).SetReply(q)
				m.Question[0].Name = "evil.test."
				w.WriteMsg(m)
			})
		}, "no answer"},
		"garbage": {func(s *nameServer) {
			s.handle(func(w dns.ResponseWriter, q *dns.Msg) {
				packet, _ := q.Pack()
				w.Write(packet[:3])
				w.Write(packet)
			})
		}, "no answer"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			s := follows(options(t, server))
			bound := patience
			if c.want == "no answer" {
				bound = 200 * time.Millisecond
			}
			c.fail(server)
			r := ask(t, s, bound)
			has(t, r.err, c.want)
			has(t, r.err, "app.test")
			assert.Equal(t, r.answered, false)
			assert.Equal(t, errors.Is(r.err, ErrVanished), c.want == "nothing of that name")

			server.serves(t, "app.test. 60 A 10.0.0.1", "app.test. 60 AAAA fd00::1")
			assert.NoError(t, ask(t, s, patience).err)
			c.fail(server)
			for range 2 {
				r = ask(t, s, bound)
				has(t, r.err, c.want)
				assert.Equal(t, list(r.found), "10.0.0.1:80, [fd00::1]:80")
			}
			server.serves(t, "app.test. 60 A 10.0.0.2")
			r = ask(t, s, patience)
			assert.NoError(t, r.err)
			assert.Equal(t, list(r.found), "10.0.0.2:80")
		})
	}
}

// A family that cannot be asked for keeps its addresses; the other one is up to date.
func TestFamiliesFailAlone(t *testing.T) {
	server := startServer(t)
	s := follows(options(t, server))
	without6 := func(records ...string) {
		zone := parseRecords(t, records)
		server.handle(func(w dns.ResponseWriter, q *dns.Msg) {
			m := reply(q, zone)
			if q.Question[0].Qtype == dns.TypeAAAA {
				m = new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
			}
			w.WriteMsg(m)
		})
	}
	without6("app.test. 60 A 10.0.0.1")
	r := ask(t, s, patience)
	has(t, r.err, "app.test AAAA: name server "+server.addr.String()+": SERVFAIL")
	assert.Equal(t, list(r.found), "10.0.0.1:80")

	server.serves(t, "app.test. 60 A 10.0.0.1", "app.test. 60 AAAA fd00::1")
	assert.NoError(t, ask(t, s, patience).err)
	without6("app.test. 60 A 10.0.0.2")
	r = ask(t, s, patience)
	has(t, r.err, "SERVFAIL")
	assert.Equal(t, list(r.found), "10.0.0.2:80, [fd00::1]:80")

	// With nothing left of the one and nothing known of the other, the last list stands as it was.
	without6("app.test. 60 TXT x")
	s.book.known = map[string][2][]netip.Addr{"app.test": {{netip.MustParseAddr("10.0.0.2")}}}
	r = ask(t, s, patience)
	has(t, r.err, "SERVFAIL")
	assert.Equal(t, list(r.found), "10.0.0.2:80")
}

// Forged datagrams are passed over: the answer behind them counts.
func TestWrongIdIsIgnored(t *testing.T) {
	server := startServer(t)
	forged, truth := parseRecords(t, []string{"app.test. 60 A 10.6.6.6"}), parseRecords(t, []string{"app.test. 60 A 10.0.0.1"})
	server.handle(func(w dns.ResponseWriter, q *dns.Msg) {
		wrongID := reply(q, forged)
		wrongID.Id++
		w.WriteMsg(wrongID)
		wrongName := reply(q, forged)
		wrongName.Question[0].Name = "evil.test."
		w.WriteMsg(wrongName)
		w.WriteMsg(q) // not a response
		w.WriteMsg(reply(q, truth))
	})
	r := ask(t, follows(options(t, server)), patience)
	assert.NoError(t, r.err)
	assert.Equal(t, list(r.found), "10.0.0.1:80")
}

// truncates answers over UDP with nothing but the bit, or with a message cut in the middle, and as told over TCP.
func (s *nameServer) truncates(cut bool, tcp dns.HandlerFunc) {
	s.handle(func(w dns.ResponseWriter, q *dns.Msg) {
		if w.RemoteAddr().Network() == "tcp" {
			tcp(w, q)
			return
		}
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable, m.Truncated = true, true
		if !cut {
			w.WriteMsg(m)
			return
		}
		m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "app.test.", Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(10, 0, 0, 9)}}
		packet, _ := m.Pack()
		w.Write(packet[:len(packet)-2])
	})
}

func TestTruncationLeadsToTCP(t *testing.T) {
	var records []string
	for i := range 200 {
		records = append(records, fmt.Sprintf("app.test. 60 A 10.0.1.%d", i+1))
	}
	zone := parseRecords(t, records)
	for _, cut := range []bool{false, true} {
		server := startServer(t)
		var udpSizes atomic.Int64
		server.truncates(cut, func(w dns.ResponseWriter, q *dns.Msg) {
			udpSizes.Store(int64(q.IsEdns0().UDPSize()))
			w.WriteMsg(reply(q, zone))
		})
		r := ask(t, follows(options(t, server)), patience)
		assert.NoError(t, r.err)
		assert.Equal(t, len(r.found), 200)
		assert.Equal(t, udpSizes.Load(), 1232)
	}
}

func TestTroubleOnTCP(t *testing.T) {
	server := startServer(t)
	server.truncates(false, func(w dns.ResponseWriter, q *dns.Msg) { w.Close() })
	has(t, ask(t, follows(options(t, server)), patience).err, "EOF")
	server.truncates(false, func(w dns.ResponseWriter, q *dns.Msg) {
		m := reply(q, nil)
		m.Id++
		w.WriteMsg(m)
	})
	has(t, ask(t, follows(options(t, server)), patience).err, "another question")
}

func TestSecondServerAnswers(t *testing.T) {
	t.Parallel()
	dead := startServer(t)
	for name, first := range map[string]func(){"silent": dead.silent, "failing": func() { dead.fails(dns.RcodeServerFailure) }} {
		first()
		alive := startServer(t)
		alive.serves(t, "app.test. 60 A 10.0.0.1")
		asked := dead.asked.Load()
		r := ask(t, follows(options(t, dead, alive)), roundTimeout)
		if r.err != nil || list(r.found) != "10.0.0.1:80" {
			t.Fatalf("first server %s: %v, %s", name, r.err, list(r.found))
		}
		// The first in the list is the first asked, once for each family; a family that comes late knows of the second already.
		if n := dead.asked.Load() - asked; n != 1 && n != 2 {
			t.Fatalf("the first server was asked %d times", n)
		}
	}
}

// A closed port is noticed at once, and a lost datagram is sent again.
func TestSecondPass(t *testing.T) {
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	assert.NoError(t, err)
	refuses := netip.MustParseAddrPort(closed.LocalAddr().String())
	closed.Close()
	flaky := startServer(t)
	zone := parseRecords(t, []string{"app.test. 60 A 10.0.0.1"})
	var calls [dns.TypeAAAA + 1]atomic.Int64
	flaky.handle(func(w dns.ResponseWriter, q *dns.Msg) {
		if calls[q.Question[0].Qtype].Add(1) == 1 {
			w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
			return
		}
		w.WriteMsg(reply(q, zone))
	})
	o := options(t, flaky)
	o.Resolvers = slices.Insert(o.Resolvers, 0, refuses)
	r := ask(t, follows(o), patience)
	assert.NoError(t, r.err)
	assert.Equal(t, list(r.found), "10.0.0.1:80")
}

func TestHostsComeFirst(t *testing.T) {
	server := startServer(t)
	server.serves(t, "app.test. 60 A 10.0.0.1")
	o := options(t, server)
	s := follows(o)
	assert.NoError(t, os.WriteFile(o.hosts, []byte("192.0.2.1 APP.test. other # me\n192.0.2.2 app.test\nfe80::1%lo app.test\nbad app.test\n"), 0o600))
	r := ask(t, s, patience)
	assert.NoError(t, r.err)
	assert.Equal(t, list(r.found), "192.0.2.1:80, 192.0.2.2:80")
	assert.Equal(t, server.asked.Load(), 0)

	assert.NoError(t, os.WriteFile(o.hosts, []byte("192.0.2.33 app.test\n"), 0o600))
	assert.Equal(t, list(ask(t, s, patience).found), "192.0.2.33:80")
	assert.NoError(t, os.Remove(o.hosts))
	assert.Equal(t, list(ask(t, s, patience).found), "10.0.0.1:80")
}

func TestLiteralAddress(t *testing.T) {
	s := follows(options(t))
	s.name = "::ffff:192.0.2.7"
	assert.Equal(t, list(ask(t, s, patience).found), "192.0.2.7:80")
}

func TestSearchList(t *testing.T) {
	server := startServer(t)
	r := newResolver(options(t))
	r.system.servers = []netip.AddrPort{server.addr}
	r.system.search, r.system.ndots = []string{"a.test.", "b.test."}, 2
	find := func(name string) string {
		var found []string
		for _, f := range r.addresses(t.Context(), name) {
			if f.err != nil {
				return f.err.Error()
			}
			for _, addr := range f.addrs {
				found = append(found, addr.String())
			}
		}
		return strings.Join(found, " ")
	}
	server.serves(t, "app.b.test. 60 A 10.0.0.2", "app. 60 A 10.0.0.3", "x.y.z. 60 AAAA fd00::4", "x.y.z.a.test. 60 A 10.0.0.5")
	assert.Equal(t, find("app"), "10.0.0.2")
	assert.Equal(t, find("app."), "10.0.0.3")
	assert.Equal(t, find("x.y.z"), "fd00::4")
	assert.Equal(t, find("nobody"), "")
	assert.Equal(t, find(strings.Repeat("long.", 49)+"name"), "")

	// An outage does not send us to somebody else of that name.
	zone := parseRecords(t, []string{"app. 60 A 10.0.0.3"})
	server.handle(func(w dns.ResponseWriter, q *dns.Msg) {
		if strings.Contains(q.Question[0].Name, "a.test") {
			w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
			return
		}
		w.WriteMsg(reply(q, zone))
	})
	if got := find("app"); !strings.Contains(got, "app.a.test A: name server") || !strings.Contains(got, "SERVFAIL") {
		t.Fatalf("search went on after a failure: %s", got)
	}
}

func TestResolvConf(t *testing.T) {
	path := t.TempDir() + "/resolv.conf"
	c := resolvConf{file: watch.File{Path: path, Max: resolvConfMax}}
	c.refresh()
	assert.Equal(t, fmt.Sprint(c.servers, c.search, c.ndots), "[127.0.0.1:53] [] 1")
	assert.Equal(t, c.candidates("app"), []string{"app."})

	write := func(text string) {
		assert.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		c.refresh()
	}
	write("; mine\nnameserver 10.0.0.53 # first\nnameserver fe80::1%eth0\nnameserver names.are.no.servers\nsearch x.test y.test.\noptions ndots:2\n")
	assert.Equal(t, fmt.Sprint(c.servers, c.search, c.ndots), "[10.0.0.53:53 [fe80::1%eth0]:53] [x.test. y.test.] 2")
	assert.Equal(t, c.candidates("app.z"), []string{"app.z.x.test.", "app.z.y.test.", "app.z."})
	assert.Equal(t, c.candidates("app.z.w"), []string{"app.z.w.", "app.z.w.x.test.", "app.z.w.y.test."})
	write("search .\n")
	assert.Equal(t, fmt.Sprint(c.servers, c.search, c.ndots), "[127.0.0.1:53] [] 1")
}

// A whole watcher: changing answers, an outage, recovery.
func TestWatcherFollowsAName(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	server.serves(t, "app.test. 0 A 10.0.0.1")
	o := options(t, server)
	told := hears(&o)
	w := New(Spec{Kind: "dns", Name: "app.test", Port: 80}, o)
	defer w.Close()
	assert.NoError(t, w.First(t.Context()))
	told.expect(t, "update: 10.0.0.1:80")
	server.serves(t, "app.test. 0 A 10.0.0.2", "app.test. 0 A 10.0.0.1")
	told.expect(t, "update: 10.0.0.1:80, 10.0.0.2:80")
	server.fails(dns.RcodeServerFailure)
	told.expect(t, "trouble: app.test A: name server "+server.addr.String()+": SERVFAIL")
	server.serves(t, "app.test. 0 A 10.0.0.1", "app.test. 0 A 10.0.0.2")
	told.expect(t, "recovered")
	w.Close()
	told.silence(t)
}

// Close does not wait for a name server that does not answer.
func TestCloseAbandonsQuestions(t *testing.T) {
	server := startServer(t)
	asked := make(chan struct{}, 100)
	server.handle(func(dns.ResponseWriter, *dns.Msg) { asked <- struct{}{} })
	o := options(t, server)
	told := hears(&o)
	w := New(Spec{Kind: "dns", Name: "app.test", Port: 80}, o)
	<-asked
	begun := time.Now()
	w.Close()
	if took := time.Since(begun); took > queryTimeout/2 {
		t.Fatalf("Close took %v", took)
	}
	told.silence(t) // being closed is no trouble
	has(t, w.First(context.Background()), "dns://app.test:80 is not resolved: its watcher is closed")
}
