package discover

import (
	"fmt"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sluice/internal/assert"
)

const service = "_http._tcp.app.test"

// service looks for the service of the tests.
func serves(o Options) *srvSource { return &srvSource{book: newBook(o), name: service} }

func TestServices(t *testing.T) {
	cases := map[string]struct {
		records []string
		want    string
	}{
		"weights and priorities": {[]string{
			service + ". 60 SRV 10 60 8080 a.test.", service + ". 60 SRV 10 0 8081 b.test.", service + ". 60 SRV 20 5 8082 c.test.",
			service + ". 60 SRV 30 1 8083 a.test.", "a.test. 60 A 10.0.0.1", "b.test. 60 A 10.0.0.2", "b.test. 60 AAAA fd00::2", "c.test. 60 A 10.0.0.3",
		}, "10.0.0.1:8080*60, 10.0.0.1:8083 backup, 10.0.0.2:8081, 10.0.0.3:8082*5 backup, [fd00::2]:8081"},
		"weights are scaled": {[]string{
			service + ". 60 SRV 0 1000 80 a.test.", service + ". 60 SRV 0 500 81 a.test.", service + ". 60 SRV 0 1 82 a.test.", service + ". 60 SRV 0 0 83 a.test.",
			"a.test. 60 A 10.0.0.1",
		}, "10.0.0.1:80*256, 10.0.0.1:81*128, 10.0.0.1:82, 10.0.0.1:83"},
		"256 is not scaled": {[]string{service + ". 60 SRV 0 256 80 a.test.", service + ". 60 SRV 0 3 81 a.test.", "a.test. 60 A 10.0.0.1"},
			"10.0.0.1:80*256, 10.0.0.1:81*3"},
		"the same place twice": {[]string{service + ". 60 SRV 9 7 80 a.test.", service + ". 60 SRV 5 2 80 a.test.", service + ". 60 SRV 5 3 80 b.test.",
			"a.test. 60 A 10.0.0.1", "b.test. 60 A 10.0.0.1"}, "10.0.0.1:80*3"},
		"alias":          {[]string{service + ". 60 CNAME x.test.", "x.test. 60 SRV 0 1 80 a.test.", "a.test. 60 A 10.0.0.1"}, "10.0.0.1:80"},
		"not available":  {[]string{service + ". 60 SRV 0 0 0 ."}, ""},
		"dot beside one": {[]string{service + ". 60 SRV 0 0 0 .", service + ". 60 SRV 3 1 80 a.test.", "a.test. 60 A 10.0.0.1"}, "10.0.0.1:80"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			server := startServer(t)
			server.serves(t, c.records...)
			r := ask(t, serves(options(t, server)), patience)
			assert.NoError(t, r.err)
			assert.Equal(t, r.answered, true)
			assert.Equal(t, list(r.found), c.want)
			assert.Equal(t, r.good, time.Minute)
		})
	}
}

// Addresses that come along are used; what is missing is asked for.
func TestAdditionalRecords(t *testing.T) {
	server := startServer(t)
	zone := parseRecords(t, []string{service + ". 60 SRV 0 1 80 A.test.", service + ". 60 SRV 0 1 80 b.test.", "b.test. 40 A 10.0.0.2"})
	extra := parseRecords(t, []string{"a.TEST. 30 A 10.0.0.1", "a.test. 30 AAAA fd00::1", "stranger.test. 1 A 10.6.6.6"})
	server.handle(func(w dns.ResponseWriter, q *dns.Msg) {
		m := reply(q, zone)
		if q.Question[0].Qtype == dns.TypeSRV {
			m.Extra = append(m.Extra, extra...)
		}
		w.WriteMsg(m)
	})
	s := serves(options(t, server))
	r := ask(t, s, patience)
	assert.NoError(t, r.err)
	assert.Equal(t, list(r.found), "10.0.0.1:80, 10.0.0.2:80, [fd00::1]:80")
	assert.Equal(t, r.found[0].Name, "a.test")
	assert.Equal(t, r.good, 30*time.Second)
	assert.Equal(t, server.asked.Load(), 3) // SRV, and A and AAAA of b

	// What came along once is remembered when it has to be asked for and cannot be.
	server.handle(func(w dns.ResponseWriter, q *dns.Msg) {
		m := reply(q, zone)
		if q.Question[0].Name == "a.test." {
			m = new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
		}
		w.WriteMsg(m)
	})
	r = ask(t, s, patience)
	has(t, r.err, "a.test A: name server")
	assert.Equal(t, list(r.found), "10.0.0.1:80, 10.0.0.2:80, [fd00::1]:80")
}

// One target without an address does not hide the others.
func TestTargetWithoutAddress(t *testing.T) {
	server := startServer(t)
	records := []string{service + ". 60 SRV 0 1 80 a.test.", service + ". 60 SRV 0 1 80 b.test.", service + ". 60 SRV 0 1 80 c.test."}
	server.serves(t, append(records, "a.test. 60 A 10.0.0.1")...)
	s := serves(options(t, server))
	r := ask(t, s, patience)
	has(t, r.err, "b.test.: nothing of that name (and 1 more)")
	assert.Equal(t, list(r.found), "10.0.0.1:80")

	server.serves(t, records...) // the last known address stays
	r = ask(t, s, patience)
	has(t, r.err, "(and 2 more)")
	assert.Equal(t, list(r.found), "10.0.0.1:80")
}

func TestServiceFails(t *testing.T) {
	server := startServer(t)
	s := serves(options(t, server))
	server.fails(dns.RcodeServerFailure)
	r := ask(t, s, patience)
	has(t, r.err, service+" SRV: name server "+server.addr.String()+": SERVFAIL")
	assert.Equal(t, r.answered, false)
	server.serves(t, "other. 60 A 10.0.0.1")
	r = ask(t, s, patience)
	has(t, r.err, service+": nothing of that name")
	assert.Equal(t, r.answered, false)
	server.serves(t, service+". 60 SRV 0 1 80 a.test.")
	r = ask(t, s, patience)
	has(t, r.err, "a.test.: nothing of that name")
	assert.Equal(t, r.answered, false)
}

// A whole watcher: the service moves, and is withdrawn.
func TestWatcherFollowsAService(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	server.serves(t, service+". 0 SRV 0 1 80 a.test.", "a.test. 0 A 10.0.0.1")
	o := options(t, server)
	told := hears(&o)
	w := New(Spec{Kind: "srv", Name: service}, o)
	defer w.Close()
	told.expect(t, "update: 10.0.0.1:80")
	server.serves(t, service+". 0 SRV 0 1 81 a.test.", "a.test. 0 A 10.0.0.1")
	told.expect(t, "update: 10.0.0.1:81")
	server.serves(t, service+". 0 SRV 0 0 0 .")
	told.expect(t, "update: ")
	told.silence(t)
}

func TestManyServices(t *testing.T) {
	server := startServer(t)
	zone := parseRecords(t, []string{"a.test. 60 A 10.0.0.1"})
	for i := range listMax + 5 {
		zone = append(zone, parseRecords(t, []string{fmt.Sprintf("%s. 60 SRV 0 1 %d a.test.", service, i+1)})...)
	}
	server.truncates(false, func(w dns.ResponseWriter, q *dns.Msg) {
		m := reply(q, zone)
		m.Compress = true
		w.WriteMsg(m)
	})
	s := serves(options(t, server))
	r := ask(t, s, patience)
	has(t, r.err, "5 are left out")
	assert.Equal(t, len(r.found), listMax)
}
