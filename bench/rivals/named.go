package rivals

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// address is where a proxy runs that somebody else has started.
type address struct {
	listen string
	pid    int // 0 = unknown: neither processor time nor memory can be read
}

var namePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,31}$`)

// Named parses NAME=HOST:PORT@PID, or NAME=HOST:PORT for a proxy of which only the
// answers are measured. The host is an IPv4 address.
func Named(text string) (*Proxy, error) {
	name, rest, found := strings.Cut(text, "=")
	if !found || !namePattern.MatchString(name) {
		return nil, fmt.Errorf("%q is not of the form NAME=HOST:PORT@PID", text)
	}
	if name == Sluice || name == Nginx || name == HAProxy {
		return nil, fmt.Errorf("%q: that name means the one that is started here; choose another", text)
	}
	listen, process, named := strings.Cut(rest, "@")
	at, err := netip.ParseAddrPort(listen)
	if err != nil || !at.Addr().Is4() || at.Port() == 0 {
		return nil, fmt.Errorf("%q: %q is not an IPv4 address with a port", text, listen)
	}
	p := &Proxy{Name: name, Setting: Default, named: &address{listen: listen}}
	if !named {
		return p, nil
	}
	if p.named.pid, err = strconv.Atoi(process); err != nil || p.named.pid < 1 {
		return nil, fmt.Errorf("%q: %q is not a process id", text, process)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/stat", p.named.pid)); err != nil {
		return nil, fmt.Errorf("%q: there is no process %d", text, p.named.pid)
	}
	return p, nil
}

// refusal says which scenarios are not for a proxy that is set up by somebody else.
func (a *address) refusal(plan Plan) string {
	switch {
	case plan.Protocol != HTTP:
		return "a proxy named by its address is measured with plain HTTP only"
	case plan.Reload:
		return "a proxy named by its address is not ours to reload"
	case len(plan.Origins) > 1:
		return "a proxy named by its address knows one origin only"
	}
	return ""
}

// Started reports whether the proxy is started here rather than named by its address.
func (p *Proxy) Started() bool { return p.named == nil }
