package discover

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// FuzzAnswer reads any message as an answer: nothing of it may count that is not of the name asked for or of an alias of it.
func FuzzAnswer(f *testing.F) {
	for _, records := range [][]string{
		{"app.test. 60 A 10.0.0.1", "app.test. 60 AAAA fd00::1"},
		{"app.test. 60 CNAME b.test.", "b.test. 60 CNAME app.test.", "evil.test. 60 A 10.6.6.6"},
		{service + ". 60 SRV 1 2 3 a.test.", service + ". 60 SRV 1 2 0 .", "a.test. 60 A 0.0.0.0"},
	} {
		m := new(dns.Msg).SetReply(newQuestion("app.test.", dns.TypeA))
		for _, text := range records {
			rr, _ := dns.NewRR(text)
			m.Answer, m.Extra = append(m.Answer, rr), append(m.Extra, rr)
		}
		packet, _ := m.Pack()
		f.Add(packet)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		m := new(dns.Msg)
		if m.Unpack(packet) != nil {
			return
		}
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV} {
			records, ttl := collect(m, "app.test.", qtype)
			if ttl < 0 || ttl > freshMax {
				t.Fatalf("TTL %v", ttl)
			}
			for _, rr := range records {
				if rr.Header().Rrtype != qtype || rr.Header().Name == "" {
					t.Fatalf("asked for type %d, got %v", qtype, rr)
				}
			}
			for _, addr := range addressesIn(records) {
				if !addr.IsValid() || addr.Is4In6() || addr.IsUnspecified() {
					t.Fatalf("address %v", addr)
				}
			}
			if services, _ := available(records); len(services) > 0 {
				targets, given, _ := targetsOf(services, m.Extra)
				entries := make(map[string]entry)
				for _, target := range targets {
					entries[target] = entry{addrs: given[target]}
				}
				for _, found := range servers(services, entries) {
					if found.Weight < 1 || found.Weight > weightMax || found.Addr.Port() == 0 {
						t.Fatalf("server %+v", found)
					}
				}
			}
		}
	})
}

// FuzzSystemFiles reads any text as the system's files.
func FuzzSystemFiles(f *testing.F) {
	f.Add("127.0.0.1 localhost loop # this machine\n::1\tlocalhost\n")
	f.Add("nameserver 10.0.0.53\nsearch a.test b.test\noptions ndots:5 timeout:1\n")
	f.Add("search .\nnameserver fe80::1%eth0\ndomain\n")
	f.Fuzz(func(t *testing.T, text string) {
		for name, addrs := range parseHosts(text) {
			if strings.ContainsAny(name, " \t\n#") || len(addrs) == 0 {
				t.Fatalf("host %q has %v", name, addrs)
			}
		}
		var c resolvConf
		c.parse(text)
		for _, server := range c.servers {
			if !server.IsValid() || server.Addr().Is4In6() {
				t.Fatalf("server %v", server)
			}
		}
		names := c.candidates("app")
		if len(names) == 0 || len(names) > searchMax+1 {
			t.Fatalf("%d candidates", len(names))
		}
	})
}
