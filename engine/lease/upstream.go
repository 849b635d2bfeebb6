package lease

// Compiling an upstream: names are resolved, weights checked, tables built, one cursor per loop.

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sluice/configs"
	"sluice/engine/door"
	"sluice/engine/key"
	"sluice/engine/lookup"
	"sluice/engine/record"
)

// ProxyVersion is the version of the PROXY protocol header sent to servers; 0 sends none.
type ProxyVersion uint8

// Upstream is a compiled upstream. All loops share it; only the cursors are one loop's own. Its servers may change while
// it runs, everything else is fixed.
type Upstream struct {
	Name    string
	Connect time.Duration // for each attempt
	// Handshake is how long one may take, from the connection on.
	Handshake time.Duration
	Proxy     ProxyVersion
	Key       key.Source
	KeyName   string        // of the header or cookie that keys come from
	MaxIdle   int           // idle connections per server and loop; 0 keeps none
	Idle      time.Duration // how long one is kept
	Door      *door.Door    // nil where nothing is limited; that of the configuration before, if it had one
	// Suspect is told of every failure of a server, the one that makes inARow since it last served; nil if nobody wants
	// to know. It is called on any loop and must not block.
	Suspect func(b *Backend, why record.Reason, inARow int)

	options SetOptions
	loops   int
	seed    uint64
	tls     TLSPeers // nil where servers are plain
	now     atomic.Pointer[generation]
	retired []*Backend               // no longer listed, perhaps still in use; of whoever calls Replace
	parting []*Backend               // of the configuration before, and not listed in this one; likewise
	mu      sync.Mutex               // guards retired and parting, at which the next configuration looks when it is compiled
	next    atomic.Pointer[Upstream] // that has taken over
	before  *Upstream                // of the configuration before, until TakeOver; likewise
	bounds  bounds                   // what TakeOver tells the door

	// Sign makes a server's label from its address; nil where nobody asks for servers by label.
	Sign func(address string) string
}

// generation is the servers of an upstream until the next Replace.
type generation struct {
	set     *Set
	cursors []*Cursor           // by loop
	labels  map[string]*Backend // by label
}

// ByLabel finds the server of a label; nil if there is none, or not any more.
func (u *Upstream) ByLabel(label []byte) *Backend { return u.now.Load().labels[string(label)] }

// Set is the present set of servers.
func (u *Upstream) Set() *Set { return u.now.Load().set }

// Policy is how a server is chosen.
func (u *Upstream) Policy() Policy { return u.options.Policy }

// Timed reports whether servers are chosen by how long they take, which has to be observed then.
func (u *Upstream) Timed() bool { return u.options.Policy == LeastTime }

// InUse is how many connections are in use now.
func (u *Upstream) InUse() (n int) {
	for _, b := range u.Set().Backends() {
		n += int(b.InUse())
	}
	return n
}

// Failed says that b did not do what it should: no connection, none of an answer, or one that says it cannot.
func (u *Upstream) Failed(b *Backend, why record.Reason) {
	u = u.latest() // who looks after its servers
	if n := b.Failed(); u.Suspect != nil {
		u.Suspect(b, why, n)
	}
}

// take takes a place at a server, and at the door. Without one, full tells whether there would be a server, were it not
// at its limit. Who has a turn passes those who wait; who has been everywhere need not join them.
func (u *Upstream) take(ask *Ask, loop int, tried *Tried, turn bool) (b *Backend, full bool) {
	enter := u.Door != nil && !ask.Inside
	if enter && (!turn && !ask.Again && u.Door.Waiting() > 0 || !u.Door.Enter()) {
		return nil, u.Set().Full(tried)
	}
	g := u.now.Load()
	if b = g.choose(ask, loop, tried); b != nil {
		return b, false
	}
	if enter {
		u.Door.Undo(turn)
	}
	return nil, g.set.Full(tried)
}

// choose takes a place at a server. One that another loop takes in between costs a second look; the server is full then,
// and is not picked again.
func (g *generation) choose(ask *Ask, loop int, tried *Tried) *Backend {
	if b := ask.Prefer; b != nil && b.Usable() && !tried.Full() && !tried.Has(b) && b.Acquire() {
		return b
	}
	for {
		b := g.cursors[loop].Pick(ask.Key, tried)
		if b == nil || b.Acquire() {
			return b
		}
	}
}

// Spec says what a server is to be. Its address is its identity: a server that stays keeps its connections, its health
// and its counts, whatever else changes.
type Spec struct {
	Name           string // for logs
	Host           string // what the user, or who has found it, calls it, without a port: the name or address of its certificate
	Addr           Endpoint
	Weight         int // 0 to MaxWeight
	Backup         bool
	MaxConnections int // 0 is no limit
}

// Replace makes specs the servers of the upstream, for every connection from now on, and tells which are new and which
// are gone. Those that are gone finish what they are at; closing their idle connections is left to the caller (see
// Dialer.Evict). Of several with one address the first counts. It is not safe for concurrent use, but loops may be using
// the upstream.
func (u *Upstream) Replace(specs []Spec) (added, removed []*Backend) {
	var members []Member
	var before []*Backend
	if g := u.now.Load(); g != nil {
		before = g.set.Backends()
	}
	listed := make(map[Endpoint]bool, len(specs))
	for _, s := range specs {
		if listed[s.Addr] {
			continue
		}
		listed[s.Addr] = true
		b, known := u.backend(s, before)
		if !known {
			added = append(added, b)
		}
		members = append(members, Member{Backend: b, Weight: s.Weight, Backup: s.Backup})
	}
	u.now.Store(u.generation(members))
	if u.before == nil { // else they have to wait for TakeOver
		for _, m := range members {
			m.state().present.Store(m.Backend)
		}
	}
	for _, b := range before {
		if slices.ContainsFunc(members, func(m Member) bool { return m.Backend == b }) {
			continue
		}
		removed = append(removed, b)
		b.gone.Store(true)
		if !listed[b.Addr] { // else another one has taken over what happens to it
			b.SetRemoved(true)
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.retired = slices.DeleteFunc(append(u.retired, removed...), func(b *Backend) bool { return b.InUse() == 0 || !b.Removed() })
	return added, removed
}

// generation makes the set of members, and what loops need with it.
func (u *Upstream) generation(members []Member) *generation {
	g := &generation{set: NewSet(u.options, members)}
	for i := range u.loops {
		g.cursors = append(g.cursors, g.set.NewCursor(i, u.seed))
	}
	if u.Sign != nil {
		g.labels = make(map[string]*Backend, len(members))
		for _, m := range members {
			g.labels[m.Backend.Label] = m.Backend
		}
	}
	return g
}

// backend finds the server of a spec among those there are, or makes it. A changed limit makes another one that shares
// what happens to the old.
func (u *Upstream) backend(s Spec, before []*Backend) (b *Backend, known bool) {
	same := func(b *Backend) bool { return b.Addr == s.Addr }
	at := slices.IndexFunc(before, same)
	old := (*Backend)(nil)
	if at >= 0 {
		old = before[at]
	} else if at = slices.IndexFunc(u.retired, same); at >= 0 {
		old = u.retired[at]
		old.SetRemoved(false) // it comes back before it has finished
	} else if one := u.ancestor(same); one != nil {
		b = u.newBackend(s)
		b.succeed(one)
		return b, false
	}
	if old != nil && int(old.MaxConnections) == s.MaxConnections && old.Name == s.Name && old.host == s.Host {
		old.gone.Store(false)
		return old, slices.Contains(before, old)
	}
	b = u.newBackend(s)
	if old != nil {
		b.succeed(old)
	}
	return b, false
}

// succeed takes over what happens to old, and the TLS sessions with it, if those are good for b as well.
func (b *Backend) succeed(old *Backend) {
	b.Inherit(old)
	if old.host == b.host && old.upstream.tls == b.upstream.tls {
		b.Secure = old.Secure
	}
}

// Leaving are the servers that are not listed any more and still in use. It is for whoever calls Replace.
func (u *Upstream) Leaving() []*Backend {
	u.forgetParted()
	u.mu.Lock()
	defer u.mu.Unlock()
	return append(slices.Clone(u.parting), slices.DeleteFunc(slices.Clone(u.retired), func(b *Backend) bool {
		return b.InUse() == 0 || !b.Removed()
	})...)
}

func (u *Upstream) newBackend(s Spec) *Backend {
	b := &Backend{Name: s.Name, Addr: s.Addr, MaxConnections: int32(s.MaxConnections), upstream: u, host: s.Host, shared: new(live)}
	if u.tls != nil {
		b.Secure = u.tls.Peer(s.Host)
	}
	if u.Sign != nil {
		b.Label = u.Sign(s.Addr.String())
	}
	b.lots = make([]lot, u.loops)
	for i := range b.lots {
		b.lots[i].upstream, b.lots[i].backend = u, b
	}
	return b
}

// Deps is what Compile needs besides the configuration.
type Deps struct {
	Config   *configs.Config // for messages with positions
	Resolver lookup.Resolver
	Loops    int
	Seed     uint64 // differs between runs, so that instances do not walk in step
	// Sign makes labels, as Upstream.Sign; nil for an upstream without.
	Sign func(address string) string
	// TLS is for an upstream whose servers are reached over it; nil if they are not.
	TLS TLSPeers
	// Before is the upstream of the same name in the configuration before: servers of the same address share what happens
	// to them. It may be nil.
	Before *Upstream
}

// Compile builds the upstream, or says everything that is wrong with it. A name with several addresses becomes as
// many servers of the same weight. Servers that have to be discovered are not among them yet: specs are those that are
// known already, to be completed and given to Replace again.
func Compile(from *configs.Upstream, deps Deps) (u *Upstream, specs []Spec, issues configs.Issues) {
	for i := range from.Servers {
		if from.Servers[i].Discover != "" {
			continue
		}
		made, issue := compileServer(&from.Servers[i], deps)
		if issue != nil {
			issues = append(issues, *issue)
		}
		specs = append(specs, made...)
	}
	policy, known := ParsePolicy(from.Balance)
	if !known {
		issues = append(issues, deps.Config.Issue(from.At, "unknown balance policy "+from.Balance, ""))
	}
	if len(issues) > 0 {
		return nil, nil, issues
	}
	u = &Upstream{
		Name: from.Name, Connect: from.Timeouts.Connect, Handshake: from.Timeouts.TLS,
		Proxy: proxyVersions[from.ProxyProtocol], Key: key.ParseSource(from.HashOn), KeyName: from.HashName,
		MaxIdle: (from.Pool.MaxIdle + deps.Loops - 1) / deps.Loops, Idle: from.Pool.IdleTimeout,
		options: SetOptions{Policy: policy, Bound: from.HashBound, Panic: from.Eject.Panic},
		loops:   deps.Loops, seed: deps.Seed, tls: deps.TLS, Sign: deps.Sign, before: deps.Before,
	}
	if u.Proxy != 0 {
		u.MaxIdle = 0 // the header speaks for one client
	}
	u.bounds = bounds{most: from.MaxConnections, size: from.Queue.Size, patience: from.Queue.Timeout}
	u.Door = u.bounds.door(limited(from), deps.Before)
	u.Replace(specs)
	return u, specs, nil
}

// limited reports whether anything about the upstream can be full. The lines of a file may say so at any time.
func limited(from *configs.Upstream) bool {
	return from.MaxConnections > 0 || slices.ContainsFunc(from.Servers, func(s configs.Server) bool {
		return s.MaxConnections > 0 || s.Discover == "file"
	})
}

var proxyVersions = map[string]ProxyVersion{"off": 0, "v1": 1, "v2": 2}

func compileServer(from *configs.Server, deps Deps) ([]Spec, *configs.Issue) {
	spec := Spec{
		Name: from.Address.String(), Host: from.Address.Host, Weight: from.Weight, Backup: from.Backup, MaxConnections: from.MaxConnections,
	}
	if from.Address.Network == "unix" {
		spec.Addr.Path = from.Address.Path
		return []Spec{spec}, nil
	}
	if ip, err := netip.ParseAddr(from.Address.Host); err == nil {
		spec.Addr.Addr = netip.AddrPortFrom(ip.Unmap(), from.Address.Port)
		return []Spec{spec}, nil
	}
	ips, err := lookup.Addresses(from.Address.Host, deps.Resolver)
	if err != nil {
		issue := deps.Config.Issue(from.At, "the name "+from.Address.Host+" does not resolve: "+lookup.Plain(err),
			"check the spelling and the name server of this machine, or write an IP address")
		return nil, &issue
	}
	var made []Spec
	for _, ip := range ips {
		one := spec
		one.Addr.Addr = netip.AddrPortFrom(ip, from.Address.Port)
		one.Name += " (" + ip.String() + ")"
		made = append(made, one)
	}
	return made, nil
}
