package conv

// What a script says of the configuration. Each line adds to one of its parts, in YAML's flow form:
//
//	given listener timeouts: {header: 50ms}
//	given route    paths: [/a*], respond: {status: 204}
//	given upstream pool: {max_idle: 0}
//	given servers  %{refused}, %{origin}
//	given loops    1
//	given narrow   servers
//
// Without a route, the listener has an upstream, app; a route that says nothing else has it too. app's server is the
// origin; a route may name another upstream, second, whose server is other. With "loops 1" the script is not run on more loops, because it is about what one loop keeps. Narrow
// servers take little ahead.

import (
	"fmt"
	"regexp"
	"strings"
)

type given struct {
	listener, upstream, servers string
	routes                      []string
	oneLoop, narrow             bool
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

// config is the whole configuration. Its placeholders are filled in by the world.
func (g *given) config(m Mode, loops int) string {
	var b strings.Builder
	own := ", upstream: app"
	if len(g.routes) > 0 {
		own = ""
	}
	fmt.Fprintf(&b, "listeners: {web: {bind: \"%%{proxy}\"%s%s%s}}\n", own, m.Listener, g.listener)
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
		second = `, second: {servers: "%{other}"}`
	}
	fmt.Fprintf(&b, "upstreams: {app: {servers: [%s]%s}%s}\n", servers, g.upstream, second)
	fmt.Fprintf(&b, "runtime: {loops: %d}\nlog: {access: {to: \"%%{log}\"}}\n", loops)
	return b.String()
}
