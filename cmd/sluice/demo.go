package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"sluice/configs"
)

type demoCmd struct {
	Listen string `default:":8080" help:"Where the proxy listens." placeholder:"ADDR"`
}

// Run starts two origins on free ports and a proxy in front of them.
func (v *demoCmd) Run() error {
	var origins []string
	for _, name := range []string{"one", "two"} {
		o, err := startOrigin(name)
		if err != nil {
			return err
		}
		defer o.close()
		origins = append(origins, o.address)
	}
	cfg, err := configs.Quick("http", v.Listen, origins)
	if err != nil {
		return v.explain(err)
	}
	// Each loop takes its own turns, so a visible one needs a single loop.
	cfg.Upstreams[0].Balance, cfg.Runtime.Loops = "round_robin", 1
	return v.explain(serve(cfg, "", func() { v.guide(cfg, origins) }))
}

// explain has complaints about the address name the flag that sets it here.
func (v *demoCmd) explain(err error) error {
	issues, ok := errors.AsType[configs.Issues](err)
	if !ok {
		return err
	}
	for i := range issues {
		issues[i].File, issues[i].At = "--listen", configs.Position{}
	}
	return issues
}

// guide says in a few lines what to try.
func (v *demoCmd) guide(cfg *configs.Config, origins []string) {
	at := cfg.Listeners[0].Bind[0].V
	curl, url := "curl", fmt.Sprintf("http://localhost:%d", at.Port)
	switch {
	case at.Network == "unix":
		curl, url = "curl --unix-socket "+at.Path, "http://localhost"
	case at.Host != "":
		url = "http://" + at.String()
	}
	var text strings.Builder
	fmt.Fprintf(&text, "\nAn HTTP proxy on %s, and behind it two small origins, one (%s) and two (%s).\n", at, origins[0], origins[1])
	fmt.Fprintf(&text, "Look at %s/ in a browser, or try in another terminal:\n\n", url)
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, try := range [][2]string{
		{"-i %s/", "again and again: one and two take turns"},
		{"-H 'X-Tea: green' %s/headers", "the request as the origin gets it"},
		{"-N %s/slow", "a line each second, passed on as it comes"},
		{"-o /dev/null %s/big", "256 MiB"},
	} {
		fmt.Fprintf(table, "  %s %s\t# %s\n", curl, fmt.Sprintf(try[0], url), try[1])
	}
	_ = table.Flush()
	text.WriteString("\nEach request leaves one line of JSON here when it is over. Ctrl-C stops.\n\n")
	_, _ = os.Stderr.WriteString(text.String())
}
