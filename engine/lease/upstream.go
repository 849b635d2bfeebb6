package lease

// Compiling an upstream: names are resolved, weights checked, tables built, one cursor per loop.

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"sluice/configs"
	"sluice/engine/record"
)

// ProxyVersion is the version of the PROXY protocol header sent to servers; 0 sends none.
type ProxyVersion uint8

// Upstream is a compiled upstream. All loops share it; only the cursors are one loop's own.
type Upstream struct {
	Name    string
	Set     *Set
	Connect time.Duration // for each attempt
	Proxy   ProxyVersion
	Key     KeySource
	KeyName string        // of the header or cookie that keys come from
	MaxIdle int           // idle connections per server and loop; 0 keeps none
	Idle    time.Duration // how long one is kept

	cursors []*Cursor // by loop
}

func (u *Upstream) cursor(loop int) *Cursor { return u.cursors[loop] }

// whyNobody tells why Pick found no server although none was tried.
func (s *Set) whyNobody() record.Reason {
	for _, b := range s.backends {
		if b.Weight > 0 && !b.Down() && !b.Draining() {
			return record.UpstreamFull
		}
	}
	return record.NoServer
}

// Resolver finds the addresses of a name; *net.Resolver is one.
type Resolver interface {
	// LookupNetIP returns the addresses of host; network is "ip".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Deps is what Compile needs besides the configuration.
type Deps struct {
	Config   *configs.Config // for messages with positions
	Resolver Resolver
	Loops    int
	Seed     uint64 // differs between runs, so that instances do not walk in step
}

// resolveTimeout bounds the look-up of one name at start.
const resolveTimeout = 5 * time.Second

// Compile builds the upstream, or says everything that is wrong with it. A name with several addresses becomes as
// many servers of the same weight.
func Compile(from *configs.Upstream, deps Deps) (*Upstream, configs.Issues) {
	var backends []*Backend
	var issues configs.Issues
	for i := range from.Servers {
		made, issue := compileServer(&from.Servers[i], deps)
		if issue != nil {
			issues = append(issues, *issue)
		}
		backends = append(backends, made...)
	}
	policy, known := ParsePolicy(from.Balance)
	if !known {
		issues = append(issues, deps.Config.Issue(from.At, "unknown balance policy "+from.Balance, ""))
	}
	if len(issues) > 0 {
		return nil, issues
	}
	u := &Upstream{
		Name: from.Name, Set: NewSet(policy, backends), Connect: from.Timeouts.Connect,
		Proxy: proxyVersions[from.ProxyProtocol], Key: keySources[from.HashOn], KeyName: from.HashName,
		MaxIdle: (from.Pool.MaxIdle + deps.Loops - 1) / deps.Loops, Idle: from.Pool.IdleTimeout,
	}
	if u.Proxy != 0 {
		u.MaxIdle = 0 // the header speaks for one client
	}
	for _, b := range backends {
		b.lots = make([]lot, deps.Loops)
		for i := range b.lots {
			b.lots[i].upstream = u
		}
	}
	for i := range deps.Loops {
		u.cursors = append(u.cursors, u.Set.NewCursor(i, deps.Seed))
	}
	return u, nil
}

// KeySource is what a policy that goes by a key takes it from.
type KeySource uint8

// The sources of keys. What a request does not have is replaced by the client's address.
const (
	KeyClientIP KeySource = iota
	KeySNI
	KeyPath
	KeyURI
	KeyHost
	KeyHeader
	KeyCookie
)

var keySources = map[string]KeySource{
	"client_ip": KeyClientIP, "sni": KeySNI, "path": KeyPath, "uri": KeyURI, "host": KeyHost, "header": KeyHeader, "cookie": KeyCookie,
}

var proxyVersions = map[string]ProxyVersion{"off": 0, "v1": 1, "v2": 2}

func compileServer(from *configs.Server, deps Deps) ([]*Backend, *configs.Issue) {
	template := Backend{
		Name: from.Address.String(), Weight: from.Weight, Backup: from.Backup,
		MaxConnections: int32(from.MaxConnections),
	}
	if from.Address.Network == "unix" {
		return []*Backend{template.at(Endpoint{Path: from.Address.Path})}, nil
	}
	if ip, err := netip.ParseAddr(from.Address.Host); err == nil {
		return []*Backend{template.at(Endpoint{Addr: netip.AddrPortFrom(ip.Unmap(), from.Address.Port)})}, nil
	}
	ips, err := resolve(from.Address.Host, deps.Resolver)
	if err != nil {
		issue := deps.Config.Issue(from.At, "the name "+from.Address.Host+" does not resolve: "+plain(err),
			"check the spelling and the name server of this machine, or write an IP address")
		return nil, &issue
	}
	var made []*Backend
	for _, ip := range ips {
		b := template.at(Endpoint{Addr: netip.AddrPortFrom(ip, from.Address.Port)})
		b.Name += " (" + ip.String() + ")"
		made = append(made, b)
	}
	return made, nil
}

// at returns a new Backend like the template, which is never used itself.
func (b *Backend) at(e Endpoint) *Backend {
	return &Backend{Name: b.Name, Addr: e, Weight: b.Weight, Backup: b.Backup, MaxConnections: b.MaxConnections}
}

func resolve(host string, by Resolver) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	found, err := by.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	seen := make(map[netip.Addr]bool, len(found))
	var ips []netip.Addr
	for _, ip := range found {
		if ip = ip.Unmap(); !seen[ip] {
			seen[ip] = true
			ips = append(ips, ip)
		}
	}
	return ips, nil
}

// plain is the cause of a failed look-up without the library's own prefix.
func plain(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.Err
	}
	return err.Error()
}
