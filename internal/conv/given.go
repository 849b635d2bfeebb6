package conv

// What a script says of the configuration. Each line adds to one of its parts, in YAML's flow form:
//
//	given listener timeouts: {header: 50ms}
//	given route    paths: [/a*], respond: {status: 204}
//	given upstream pool: {max_idle: 0}
//	given servers  %{refused}, %{origin}
//	given loops    1
//	given narrow   servers
//	given tls      min_version: 1.3        or: here
//	given server   tls
//	given without  tls: why it means nothing there
//
// Without a route, the listener has an upstream, app; a route that says nothing else has it too. app's server is the
// origin; a route may name another upstream, second, whose server is other. With "loops 1" the script is not run on more loops, because it is about what one loop keeps. Narrow
// servers take little ahead. What is given for tls is for the listener's, and such a script is played only where clients have it, even if nothing is
// to be said about it here; one with "server tls" only where servers have it, one "without tls" only where they have not, one "without server tls" only where servers have not.

import (
	"fmt"
	"regexp"
	"strings"
)

type given struct {
	listener, upstream, servers string
	routes                      []string
	oneLoop, narrow             bool
	tls                         string // what the listener's says besides
	secure, secureBack          bool   // clients must have TLS, and servers
	plain, plainBack            string // why clients and servers must not
}

// skips says why a script is not played in a mode; "" if it is.
func (g *given) skips(m Mode) string {
	switch {
	case g.secure && m.Front == 0, g.secureBack && m.Back == 0:
		return "it is about TLS"
	case m.Front != 0 && g.plain != "":
		return g.plain
	case m.Back != 0:
		return g.plainBack
	}
	return ""
}

// introduced reports whether clients begin with a PROXY header, and servers get one.
func (g *given) introduced() (client, server bool) {
	return strings.Contains(g.listener, "proxy_protocol"), strings.Contains(g.upstream, "proxy_protocol")
}

// answered are routes that say who answers.
var answered = regexp.MustCompile(`\b(respond|redirect|upstream):`)

// take reads what stands behind "given".
func (g *given) take(text string) error {
	what, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case rest == "":
	case what == "listener":
		g.listener += ", " + rest
		return nil
	case what == "upstream":
		g.upstream += ", " + rest
		return nil
	case what == "tls":
		g.secure = true
		if rest != "here" {
			g.tls += ", " + rest
		}
		return nil
	case what == "server" && rest == "tls":
		g.secureBack = true
		return nil
	case what == "without":
		return g.takeWithout(rest)
	case what == "route":
		if !answered.MatchString(rest) {
			rest += ", upstream: app"
		}
		g.routes = append(g.routes, rest)
		return nil
	case what == "servers":
		g.servers = regexp.MustCompile(`%\{\w+\}`).ReplaceAllString(rest, `"$0"`)
		return nil
	case what == "narrow" && rest == "servers":
		g.narrow = true
		return nil
	case what == "loops" && rest == "1":
		g.oneLoop = true
		return nil
	}
	return fmt.Errorf("nothing can be given as %q", text)
}

// takeWithout reads where the script means nothing.
func (g *given) takeWithout(text string) error {
	where, why, _ := strings.Cut(text, ": ")
	switch {
	case why == "":
	case where == "tls":
		g.plain = why
		return nil
	case where == "server tls":
		g.plainBack = why
		return nil
	}
	return fmt.Errorf("nothing can be without %q", text)
}

// config is the whole configuration. Its placeholders are filled in by the world.
func (g *given) config(m Mode, loops int) string {
	var b strings.Builder
	own := ", upstream: app"
	if len(g.routes) > 0 {
		own = ""
	}
	fmt.Fprintf(&b, "listeners: {web: {bind: \"%%{proxy}\"%s%s%s}}\n", own, m.listener(g.tls), g.listener)
	if len(g.routes) > 0 {
		b.WriteString("routes:\n")
		for _, r := range g.routes {
			fmt.Fprintf(&b, "  - {%s}\n", r)
		}
	}
	servers := g.servers
	if servers == "" {
		servers = `"%{origin}"`
	}
	second := ""
	if strings.Contains(strings.Join(g.routes, " "), "upstream: second") {
		second = `, second: {servers: "%{other}"` + m.upstream() + "}"
	}
	fmt.Fprintf(&b, "upstreams: {app: {servers: [%s]%s%s}%s}\n", servers, m.upstream(), g.upstream, second)
	fmt.Fprintf(&b, "runtime: {loops: %d}\nlog: {access: {to: \"%%{log}\"}}\n", loops)
	return b.String()
}
