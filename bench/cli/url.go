package cli

import (
	"context"
	"fmt"
	"net"
	"net/url"

	"sluice/bench/load"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
)

// where is what to ask for, of proxies that others have set up.
type where struct {
	host, path string // as requests have them
	name, port string
	secure     bool
}

func parseURL(text string) (*where, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return nil, fmt.Errorf("%q is not like http://host/path", text)
	}
	w := &where{host: u.Host, path: u.RequestURI(), name: u.Hostname(), port: u.Port(), secure: u.Scheme == "https"}
	if w.port == "" {
		w.port = map[bool]string{false: "80", true: "443"}[w.secure]
	}
	return w, nil
}

// scenarios are those for a URL. With https, certificates are not judged: it is the
// user's own site that is measured.
func (w *where) scenarios() []scenarios.Scenario {
	all := scenarios.ForURL(w.host, w.path)
	for i := range all {
		if w.secure {
			all[i].Load.Protocol, all[i].Load.TLS = load.HTTPS, &load.TLS{ServerName: w.name}
		}
	}
	return all
}

// hostOfURL is the proxy that the URL itself names; its process is not known.
func (c *runCommand) hostOfURL(ctx context.Context) ([]*rivals.Proxy, error) {
	w, err := parseURL(c.URL)
	if err != nil {
		return nil, err
	}
	addresses, err := new(net.Resolver).LookupIP(ctx, "ip4", w.name)
	if err != nil {
		return nil, err
	}
	p, err := rivals.Named("site=" + net.JoinHostPort(addresses[0].String(), w.port))
	if err != nil {
		return nil, err
	}
	return []*rivals.Proxy{p}, nil
}
