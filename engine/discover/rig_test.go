package discover

// A name server of the test's own, on loopback UDP and TCP, and a listener to what a watcher tells.

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sluice/configs"
	"sluice/internal/assert"
)

// patience bounds waits that only a failing test spends.
const patience = 10 * time.Second

// A nameServer answers as its handler says, which may change at any time.
type nameServer struct {
	addr    netip.AddrPort
	handler atomic.Pointer[dns.HandlerFunc]
	asked   atomic.Int64
}

// startServer serves until the test ends, silently at first.
func startServer(t *testing.T) *nameServer {
	t.Helper()
	packets, stream := bothAt(t)
	s := &nameServer{addr: netip.MustParseAddrPort(packets.LocalAddr().String())}
	s.silent()
	handle := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		s.asked.Add(1)
		(*s.handler.Load())(w, q)
	})
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: handle}, {Listener: stream, Handler: handle}} {
		ready := make(chan struct{})
		server.NotifyStartedFunc = func() { close(ready) }
		go server.ActivateAndServe()
		<-ready
		t.Cleanup(func() { server.Shutdown() })
	}
	return s
}

// bothAt returns sockets of both kinds on one port.
func bothAt(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 50 { // somebody else may have the port of the other kind
		stream, err := net.Listen("tcp", "127.0.0.1:0")
		assert.NoError(t, err)
		packets, err := net.ListenPacket("udp", stream.Addr().String())
		if err == nil {
			return packets, stream
		}
		stream.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// handle changes the handler.
func (s *nameServer) handle(f dns.HandlerFunc) { s.handler.Store(&f) }

// silent answers nothing.
func (s *nameServer) silent() { s.handle(func(dns.ResponseWriter, *dns.Msg) {}) }

// fails answers every question with an rcode.
func (s *nameServer) fails(rcode int) {
	s.handle(func(w dns.ResponseWriter, q *dns.Msg) { w.WriteMsg(new(dns.Msg).SetRcode(q, rcode)) })
}

// serves answers from records in the form of zone files.
func (s *nameServer) serves(t *testing.T, records ...string) {
	t.Helper()
	zone := parseRecords(t, records)
	s.handle(func(w dns.ResponseWriter, q *dns.Msg) { w.WriteMsg(reply(q, zone)) })
}

// parseRecords reads lines of a zone.
func parseRecords(t *testing.T, records []string) (zone []dns.RR) {
	t.Helper()
	for _, text := range records {
		rr, err := dns.NewRR(text)
		assert.NoError(t, err)
		zone = append(zone, rr)
	}
	return zone
}

// reply is what a recursive name server with that zone answers.
func reply(q *dns.Msg, zone []dns.RR) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	asked := q.Question[0]
	name, exists := strings.ToLower(asked.Name), false
	for range 10 {
		next := ""
		for _, rr := range zone {
			if !strings.EqualFold(rr.Header().Name, name) {
				continue
			}
			exists = true
			if alias, ok := rr.(*dns.CNAME); ok {
				m.Answer, next = append(m.Answer, rr), strings.ToLower(alias.Target)
			} else if rr.Header().Rrtype == asked.Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		if next == "" {
			break
		}
		name = next
	}
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	return m
}

// options asks those servers, with a hosts file of its own.
func options(t *testing.T, servers ...*nameServer) Options {
	o := Options{hosts: t.TempDir() + "/hosts", resolvConf: t.TempDir() + "/resolv.conf"}
	for _, s := range servers {
		o.Resolvers = append(o.Resolvers, s.addr)
	}
	return o
}

// ask makes one look with a bound.
func ask(t *testing.T, s source, bound time.Duration) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	return s.look(ctx)
}

// list shows servers: sorted, with weights other than 1 and what else is known of them.
func list(found []Found) string {
	found, _ = tidy(slices.Clone(found))
	var texts []string
	for _, f := range found {
		text := f.String()
		s := f.Server(configs.Server{Weight: 1})
		if s.Weight != 1 {
			text += "*" + strconv.Itoa(s.Weight)
		}
		if s.Backup {
			text += " backup"
		}
		if s.MaxConnections != 0 {
			text += " max " + strconv.Itoa(s.MaxConnections)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}

// has fails the test unless err mentions want; "" wants no error.
func has(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		assert.NoError(t, err)
		return
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("error is %v, want %q in it", err, want)
	}
}

// An audience records what a watcher tells, in order.
type audience chan string

// hears makes options tell a new audience.
func hears(o *Options) audience {
	a := make(audience, 1000)
	o.Update = func(found []Found) { a <- "update: " + list(found) }
	o.Trouble = func(err error) { a <- "trouble: " + err.Error() }
	o.Recovered = func() { a <- "recovered" }
	return a
}

// expect waits for the next thing told.
func (a audience) expect(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-a:
		if !strings.HasPrefix(got, want) {
			t.Fatalf("told %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("nothing told, want %q", want)
	}
}

// silence fails the test if something has been told.
func (a audience) silence(t *testing.T) {
	t.Helper()
	select {
	case got := <-a:
		t.Fatalf("told %q, want nothing", got)
	default:
	}
}
