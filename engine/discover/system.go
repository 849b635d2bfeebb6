package discover

// What the system knows of names: /etc/hosts, and whom to ask in /etc/resolv.conf (resolv.conf(5)). Both are read again when
// they have changed: a VPN or a DHCP lease rewrites them while the proxy runs.

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"sluice/engine/watch"
)

const (
	// hostsMax is room for the long lists of blocked names that some people keep there.
	hostsMax = 16 << 20
	// resolvConfMax is far above what anybody writes.
	resolvConfMax = 1 << 20
	// searchMax bounds the search list, and so the questions for one name.
	searchMax = 32
	// dnsPort is where name servers of the system listen.
	dnsPort = 53
)

// hosts is the table of /etc/hosts.
type hosts struct {
	file   watch.File
	byName map[string][]netip.Addr
}

// refresh reads the file again if it has changed. Without the file there are no hosts, as for the system.
func (h *hosts) refresh() {
	if text, changed, _ := h.file.Fresh(); changed {
		h.byName = parseHosts(text)
	}
}

// lookup returns the addresses of name, in the order of the file. Names are alike regardless of case and of a final dot.
func (h *hosts) lookup(name string) []netip.Addr {
	return h.byName[strings.ToLower(strings.TrimSuffix(name, "."))]
}

// parseHosts reads "address name name ... # comment" lines; others are skipped, as the system does.
func parseHosts(text string) map[string][]netip.Addr {
	byName := make(map[string][]netip.Addr)
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(fields[0])
		if err != nil || addr.Zone() != "" {
			continue
		}
		for _, name := range fields[1:] {
			name = strings.ToLower(strings.TrimSuffix(name, "."))
			byName[name] = append(byName[name], addr.Unmap())
		}
	}
	return byName
}

// resolvConf is whom to ask, and under which names.
type resolvConf struct {
	file    watch.File
	servers []netip.AddrPort // never empty after refresh
	search  []string         // fully qualified
	ndots   int              // names with at least as many dots are asked for as they are first
}

// refresh reads the file again if it has changed. Without the file, or without a name server in it, the one of this machine is
// asked, as the system does.
func (c *resolvConf) refresh() {
	text, changed, _ := c.file.Fresh()
	if !changed {
		return
	}
	c.parse(text)
	if len(c.servers) == 0 {
		c.servers = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort)}
	}
}

// parse reads the lines that matter here; our own timeouts stand for those of the file.
func (c *resolvConf) parse(text string) {
	conf, err := dns.ClientConfigFromReader(strings.NewReader(text))
	if err != nil { // a line longer than its reader takes
		conf = &dns.ClientConfig{Ndots: 1}
	}
	c.servers, c.search, c.ndots = nil, nil, conf.Ndots
	for _, server := range conf.Servers {
		if addr, err := netip.ParseAddr(server); err == nil {
			c.servers = append(c.servers, netip.AddrPortFrom(addr.Unmap(), dnsPort))
		}
	}
	for _, domain := range conf.Search {
		if domain = dns.Fqdn(domain); domain != "." && len(c.search) < searchMax {
			c.search = append(c.search, domain) // "search ." is how systemd-resolved writes that there is none
		}
	}
}

// candidates returns the fully qualified names that name may mean, in the order of asking.
func (c *resolvConf) candidates(name string) []string {
	if dns.IsFqdn(name) {
		return []string{name}
	}
	var names []string
	for _, domain := range c.search {
		names = append(names, name+"."+domain)
	}
	if strings.Count(name, ".") >= c.ndots {
		return append([]string{name + "."}, names...)
	}
	return append(names, name+".")
}
