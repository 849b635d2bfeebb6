package relay

import (
	"net/netip"
	"testing"
	"unsafe"

	"sluice/engine/proxyproto"
	"sluice/engine/route"
	"sluice/engine/sock"
	"sluice/internal/assert"
)

// Every pair of states: the moves of the life in the package comment pass, every other one panics.
func TestTunnelStates(t *testing.T) {
	t.Parallel()
	assert.Moves(t, "relay", [][]tunnelState{
		unused:   {accepted},
		accepted: {reading, greeting, leasing, ended},
		reading:  {greeting, leasing, ended},
		greeting: {securing, leasing, ended},
		securing: {leasing, ended},
		leasing:  {relaying, ended},
		relaying: {dying, ended},
		dying:    {ended},
		ended:    {unused},
	}, func(from tunnelState) (func(tunnelState), *tunnelState) {
		tun := &tunnel{state: from}
		return tun.set, &tun.state
	})
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
		policy proxyproto.Policy
		peer   netip.Addr
		want   bool
	}{
		{proxyproto.Policy{}, inside, false},
		{proxyproto.Policy{Read: true}, outside, true},
		{proxyproto.Policy{Read: true}, local, true},
		{proxyproto.Policy{Read: true, From: some}, inside, true},
		{proxyproto.Policy{Read: true, From: some}, outside, false},
		{proxyproto.Policy{Read: true, From: some}, local, false},
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
