package forwarded

import (
	"net/netip"
	"testing"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/record"
	"sluice/internal/assert"
	"sluice/internal/featuretest"
)

// refusal is a gate that lets nobody in.
type refusal struct{}

func (refusal) Check(x *exchange.Exchange) exchange.Verdict {
	x.Fail(record.Denied, "", nil)
	return exchange.Answered
}

// busy is a request as browsers send them, that can be checked again and again.
func busy(from string, fields ...string) (x *exchange.Exchange, again func()) {
	x = new(exchange.Exchange)
	r := featuretest.Request{Peer: from, Fields: append([]string{"Accept: text/html", "Cookie: a=b", "User-Agent: Mozilla/5.0"}, fields...)}
	return x, func() {
		x.Request.Reset()
		r.Fill(x)
	}
}

func TestAllocs(t *testing.T) {
	for _, options := range []configs.Route{{}, {Forwarded: true, Via: true}} {
		gate, _ := Compile(trusted(), &options)
		for _, from := range []string{peer, "[2001:db8::1]:1234"} {
			x, again := busy(from)
			again()
			assert.Allocs(t, 0, rewound(x, gate))
		}
		x, again := busy(proxy, "X-Forwarded-For: 6.6.6.6, 1.1.1.1:7", "X-Forwarded-For: 10.2.3.4")
		again()
		assert.Allocs(t, 0, rewound(x, gate))
		x, again = busy(proxy, "Forwarded: for=6.6.6.6", `Forwarded: for="[2001:db8::1]:7", for=10.2.3.4`)
		again()
		assert.Allocs(t, 0, rewound(x, gate))
	}
}

// rewound checks x once for each call, and takes back what the gate has done: a Head that is loaded afresh has room from
// its last use.
func rewound(x *exchange.Exchange, gate exchange.Gate) func() {
	h := &x.Request
	raw := append([]byte(nil), h.Bytes(exchange.Span{Len: uint32(h.Size())})...)
	fields := append([]exchange.Field(nil), h.Fields()...)
	authority := h.Authority
	return func() {
		h.Reset()
		h.Load(raw)
		for _, f := range fields {
			h.AddSpan(f.ID, f.Name, f.Value)
		}
		h.Authority = authority
		gate.Check(x)
	}
}

// BenchmarkStranger is the usual case: no field to replace, nobody to believe. What Load and AddSpan cost is Load's own.
func BenchmarkStranger(b *testing.B) {
	for name, gate := range map[string]exchange.Gate{"gate": first(Compile(trusted(), &configs.Route{})), "nothing": nothing{}} {
		b.Run(name, func(b *testing.B) {
			x, again := busy(peer)
			again()
			run := rewound(x, gate)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}

func first(gate exchange.Gate, _ exchange.Stage) exchange.Gate { return gate }

type nothing struct{}

func (nothing) Check(*exchange.Exchange) exchange.Verdict { return exchange.Next }

// FuzzWalk: whatever the fields hold, a stranger is its own client, and a trusted peer's client is an address that can be
// passed on; and appending a trusted proxy's true word to them always decides.
func FuzzWalk(f *testing.F) {
	for _, seed := range []string{"", "1.1.1.1", "1.1.1.1, 10.0.0.2", "[::1]:80,unknown", `for="[::1]:80";host="a,b"`, `for="`, `for=1.1.1.1;for=2.2.2.2`,
		`for=1.1.1.1;host="x\",for=6.6.6.6;a=\"y"`, "::ffff:10.0.0.1", "fe80::1%a", ",,,", `"`, `\"`} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		for _, name := range []string{"X-Forwarded-For: ", "Forwarded: "} {
			told := []string{name + one, name + two}
			x := check(featuretest.Request{Peer: peer, Fields: told}, configs.Route{Forwarded: true, Via: true})
			assert.Equal(t, x.Client, x.Peer)

			x = check(featuretest.Request{Peer: proxy, Fields: told}, configs.Route{})
			if a := x.Client.Addr(); !a.IsValid() || a.Is4In6() || a.Zone() != "" {
				t.Fatalf("%q and %q make the client %v", one, two, a)
			}

			truth := "1.1.1.1"
			if name == "Forwarded: " {
				truth = "for=1.1.1.1"
			}
			told[1] += ", " + truth
			x = check(featuretest.Request{Peer: proxy, Fields: told}, configs.Route{})
			assert.Equal(t, x.Client, netip.MustParseAddrPort("1.1.1.1:0"))
		}
	})
}
