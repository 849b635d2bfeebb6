package sim

// How clients introduce themselves: with a PROXY header, a ClientHello, both, or less than they should.

import (
	"net/netip"

	"sluice/engine/proxyproto"
	"sluice/engine/record"
	"sluice/internal/veil"
)

// intro is what comes before a client's payload.
type intro struct {
	piece   int // bytes sent at once
	size    int // of the hello
	hello   func(id byte) []byte
	claimed netip.AddrPort  // by the PROXY header
	may     []record.Reason // how the code may judge it; none = it is flawless
}

// claims is who the proxy has to believe the client is.
func (a *actor) claims() netip.AddrPort {
	if a.intro.claimed.IsValid() {
		return a.intro.claimed
	}
	if a.w.plan.unix {
		return netip.AddrPort{}
	}
	return a.addr
}

func (a *actor) introduce(i int) {
	w := a.w
	a.intro.piece = w.scale(8, 4096)
	if w.plan.proxyIn != proxyOff {
		a.introduceProxy(i)
	}
	if w.plan.hello && a.intro.may == nil {
		a.introduceHello()
	}
	if len(a.ahead) > 0 || a.intro.size > 0 {
		a.script.opening = atOnce // whoever introduces itself does not wait for the other to begin
		if a.intro.piece < len(a.ahead) {
			w.cover.hit(HeaderSplit)
		}
		if a.intro.piece < a.intro.size {
			w.cover.hit(HelloSplit)
		}
	}
}

func (a *actor) introduceProxy(i int) {
	w := a.w
	claim := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i + 1)}), uint16(50000+i))
	header := proxyproto.AppendV1(nil, claim, listenAt)
	if w.chance(50) {
		header = proxyproto.AppendV2(nil, claim, listenAt)
	}
	required := w.plan.proxyIn == proxyRequire
	switch kind := w.rng.IntN(10); {
	case kind < 6:
		a.ahead, a.intro.claimed = header, claim
	case kind == 6:
		a.ahead = proxyproto.AppendV2(nil, netip.AddrPort{}, netip.AddrPort{}) // speaks for nobody
	case kind == 7 && required:
		a.ahead = header[:w.between(1, len(header)-1)]
		a.script.total = 0
		a.intro.may = []record.Reason{record.ProxyHeaderBad, record.ProxyHeaderTimeout}
	case kind == 8:
		a.ahead = []byte("PROXY TCP4 1.2.3.4 nobody 1 2\r\n")
		a.intro.may = []record.Reason{record.ProxyHeaderBad, record.ProxyHeaderTimeout}
	case required:
		a.intro.may = []record.Reason{record.ProxyHeaderMissing, record.ProxyHeaderTimeout}
	}
}

func (a *actor) introduceHello() {
	w := a.w
	if len(a.ahead) > 0 {
		a.script.opening = atOnce
	}
	name := []string{"a.example", "x.b.example", "", "unknown.test"}[w.rng.IntN(4)]
	size, fragment := w.scale(60, 6000), w.scale(64, 16000)
	switch kind := w.rng.IntN(10); {
	case kind < 7:
		a.intro.hello = func(id byte) []byte { return veil.Hello(id, name, size, fragment) }
		if !w.plan.catchAll && (name == "" || name == "unknown.test") {
			a.intro.may = []record.Reason{record.NoRoute}
		}
	case kind == 7:
		cut := w.between(1, 50)
		a.intro.hello = func(id byte) []byte { return veil.Hello(id, name, size, fragment)[:cut] }
		a.script.total = 0
		a.intro.may = []record.Reason{record.HelloBad, record.HelloTimeout}
	case kind == 8:
		a.intro.hello = func(id byte) []byte {
			b := veil.Hello(id, name, size, fragment)
			b[5] = 2 // a ServerHello
			return b
		}
		a.intro.may = []record.Reason{record.HelloBad, record.NotTLS}
	default:
		a.introduceNothing()
	}
	if a.intro.hello != nil {
		a.intro.size = len(a.intro.hello(0))
	}
}

// introduceNothing is a client that does not speak TLS, or does not speak.
func (a *actor) introduceNothing() {
	switch {
	case a.script.total == 0:
		a.intro.may = []record.Reason{record.HelloTimeout, record.HelloBad}
	case !a.w.plan.catchAll:
		a.intro.may = []record.Reason{record.NotTLS}
		if a.script.opening != atOnce {
			a.intro.may = append(a.intro.may, record.HelloTimeout)
		}
	case a.script.opening != atOnce:
		a.intro.may = []record.Reason{record.HelloTimeout, record.HelloBad}
	}
}
