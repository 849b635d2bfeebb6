package configs

// A configuration without a file: `sluice proxy --from :8080 --to a:1,b:2`. It is a small generated text, so that it means
// exactly what a user would have got by writing it.

import (
	"fmt"
	"strconv"
	"strings"

	"sluice/configs/literal"
	"sluice/configs/tree"
)

// Quick returns the configuration of one listener at from that speaks protocol, "http" or "tcp", and one upstream with the servers
// to, everything else by default. The error is Issues, whose File is the flag to blame; relative unix paths start at the working
// directory.
func Quick(protocol, from string, to []string) (*Config, error) {
	var issues Issues
	check := func(flag, text string, parse func(text, dir string) (Address, error)) {
		if _, err := parse(text, "."); err != nil {
			issues = append(issues, Issue{File: flag, Message: err.Error(), Hint: literal.HintOf(err)})
		}
	}
	check("--from", from, literal.Bind)
	if len(to) == 0 {
		issues = append(issues, Issue{File: "--to", Message: "there is no server", Hint: "as in --to 10.0.0.1:8080,10.0.0.2:8080"})
	}
	for _, t := range to {
		if t == "" {
			issues = append(issues, Issue{File: "--to", Message: "a server is empty", Hint: "remove the comma that has nothing before or after it"})
			continue
		}
		check("--to", t, literal.Server)
	}
	if len(issues) > 0 {
		return nil, issues
	}
	var servers []string
	for _, t := range to {
		servers = append(servers, quote(t))
	}
	text := fmt.Sprintf("listeners: {proxy: {bind: %s, protocol: %s, upstream: servers}}\nupstreams: {servers: {servers: [%s]}}\n",
		quote(from), quote(protocol), strings.Join(servers, ", "))
	c, err := Parse("(command line)", []byte(text))
	if err == nil {
		c.source = &tree.Source{Name: c.File} // later complaints must not quote a text that the user has never seen
	}
	return c, err
}

// quote writes an argument as a scalar that means itself.
func quote(s string) string { return strconv.Quote(strings.ReplaceAll(s, "${", "$${")) }
