package relay

import (
	"net/netip"
	"testing"
	"unsafe"

	"sluice/engine/route"
	"sluice/engine/sock"
	"sluice/internal/assert"
)

// Every pair of states: the moves of the life in the package comment pass, every other one panics.
func TestTunnelStates(t *testing.T) {
	t.Parallel()
	allowed := map[tunnelState][]tunnelState{
		unused:   {accepted},
		accepted: {reading, greeting, leasing, ended},
		reading:  {greeting, leasing, ended},
		greeting: {leasing, ended},
		leasing:  {relaying, ended},
		relaying: {dying, ended},
		dying:    {ended},
		ended:    {unused},
	}
	for from := range tunnelStates {
		can := make(map[tunnelState]bool)
		for _, to := range allowed[from] {
			can[to] = true
		}
		for to := range tunnelStates {
			tun := &tunnel{state: from}
			if can[to] {
				tun.set(to)
				assert.Equal(t, tun.state, to)
				continue
			}
			assert.Panics(t, "relay: "+from.String()+" → "+to.String(), func() { tun.set(to) })
		}
	}
}

// An idle tunnel is its own structure and two connections: with the loop's tables and the runtime's share it has to
// stay below 2 KiB.
func TestTunnelIsSmall(t *testing.T) {
	t.Parallel()
	size := unsafe.Sizeof(tunnel{}) + 2*unsafe.Sizeof(sock.Conn{})
	if size > 1344 {
		t.Errorf("a tunnel and its two connections take %d bytes", size)
	}
}

// A header is read from the peers it is believed from; without a list that is everybody, unix sockets included.
func TestProxyPolicy(t *testing.T) {
	t.Parallel()
	some := route.CompilePrefixes([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	inside, outside, local := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("192.0.2.1"), netip.Addr{}
	for _, c := range []struct {
		policy sock.ProxyPolicy
		peer   netip.Addr
		want   bool
	}{
		{sock.ProxyPolicy{}, inside, false},
		{sock.ProxyPolicy{Read: true}, outside, true},
		{sock.ProxyPolicy{Read: true}, local, true},
		{sock.ProxyPolicy{Read: true, From: some}, inside, true},
		{sock.ProxyPolicy{Read: true, From: some}, outside, false},
		{sock.ProxyPolicy{Read: true, From: some}, local, false},
	} {
		assert.Equal(t, c.policy.Expects(c.peer), c.want)
	}
}

// Other routes are for those who come, and for those who are on their way; everything else stays.
func TestReroute(t *testing.T) {
	t.Parallel()
	empty, _ := route.Compile[*Route](nil)
	all, _ := route.Compile([]route.Rule[*Route]{{Name: "all", Value: &Route{}}})
	service := &Service{Routes: empty, Timeouts: Timeouts{Tunnel: 7}, MaxPerIP: 3}
	one, other := New(service, nil, nil, nil), New(service, nil, nil, nil)
	one.Reroute(all)
	_, ok := one.service.Routes.Default()
	assert.Equal(t, []any{ok, one.service.Timeouts.Tunnel, one.service.MaxPerIP}, []any{true, service.Timeouts.Tunnel, int64(3)})
	_, ok = other.service.Routes.Default() // each loop goes on when it is its turn
	assert.Equal(t, ok, false)
}
