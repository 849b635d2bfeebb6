// Package rivals knows the proxies that are compared: where they are, which
// version, how to start each from a pinned configuration, how to reload and end it.
//
// A configuration is a template beside this file, NAME-PROTOCOL-SETTING.tmpl. All
// have one worker, thread or loop, no logs, the same timeouts and backlog, room for
// the idle connections and, for HTTP, the same use of connections to the origin and
// X-Forwarded-For; "default" changes nothing else, "tuned" is what one would set
// for bulk, and for servers that fail.
//
// A proxy that somebody else has started is named by its address and process id
// (see Named); it is measured as it is.
package rivals

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/template"
	"time"

	"sluice/bench/process"
)

//go:embed *.tmpl
var templates embed.FS

// Settings of a proxy.
const (
	Default = "default"
	Tuned   = "tuned"
	// Base is a second sluice binary to compare the first with; its configuration
	// is that of Default.
	Base = "base"
)

// Protocols that the proxies speak with clients. TLS is HTTP/1.1 over TLS 1.3; with
// the origin they speak TCP or plain HTTP/1.1.
const (
	TCP  = "tcp"
	HTTP = "http"
	TLS  = "tls"
)

// Names of the proxies, as --against takes them.
const (
	Sluice  = "sluice"
	Nginx   = "nginx"
	HAProxy = "haproxy"
)

// Proxy is one program in one setting.
type Proxy struct {
	Name    string
	Setting string
	// Version is what the program says of itself.
	Version string

	named    *address // not ours to start
	missing  string   // why the program cannot be measured
	lacksTCP string   // nginx: why it cannot be measured as a TCP proxy
	binary   string
	module   string // nginx: the stream module to load, if it is not built in
	run      argv
	check    argv           // asks whether a configuration is acceptable
	stop     syscall.Signal // 0 = SIGTERM
	reload   syscall.Signal
}

// argv makes a command line for the configuration of a plan.
type argv func(binary, config string, plan Plan) []string

// Missing says why the program cannot be measured as a proxy of the protocol;
// empty if it can.
func (p *Proxy) Missing(protocol string) string {
	if p.missing == "" && protocol == TCP {
		return p.lacksTCP
	}
	return p.missing
}

// Measured reports whether a scenario with these settings of the rivals is for the
// proxy in its setting.
func (p *Proxy) Measured(settings []string) bool {
	return p.Setting == Base || slices.Contains(settings, p.Setting)
}

// Title names the proxy and, unless it is the default, its setting.
func (p *Proxy) Title() string {
	if p.Setting == Default {
		return p.Name
	}
	return p.Name + " " + p.Setting
}

// Plan is what a template gets.
type Plan struct {
	// Dir is a directory of the run; the program may write there.
	Dir string
	// Protocol is what to be a proxy of.
	Protocol string
	// Listen is the address to serve, Origins those to pass connections to.
	Listen  string
	Origins []string
	// TLS is the certificate to show; nil unless the protocol is TLS.
	TLS *Certificate
	// Balance is the program's own word for how it chooses a server; empty = its
	// default.
	Balance string
	// Upgrade asks for what WebSocket needs beyond plain HTTP.
	Upgrade bool
	// Check asks sluice to check its servers, which it does only if told to.
	Check bool
	// Failover asks the tuned setting to notice servers that fail.
	Failover bool
	// Reload says that the configuration will be reloaded, and Also is a second
	// address to serve: only the configuration of after a reload has it.
	Reload bool
	Also   string
	// Module is filled in by the proxy.
	Module string
}

// template names the configuration. With or without TLS, HTTP is the same page.
func (p *Proxy) template(protocol string) string {
	setting := p.Setting
	if setting == Base {
		setting = Default
	}
	if protocol == TLS {
		protocol = HTTP
	}
	return p.Name + "-" + protocol + "-" + setting + ".tmpl"
}

// write puts the configuration into the plan's directory and returns its path.
func (p *Proxy) write(plan Plan) (path string, err error) {
	plan.Module = p.module
	parsed, err := template.ParseFS(templates, p.template(plan.Protocol))
	if err != nil {
		return "", err
	}
	path = filepath.Join(plan.Dir, "proxy.conf")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	err = errors.Join(parsed.Execute(file, plan), file.Close())
	if err != nil {
		return "", fmt.Errorf("configuration of %s: %w", p.Title(), err)
	}
	return path, nil
}

// checkTimeout is how long a program may take to read a configuration.
const checkTimeout = 5 * time.Second

// Refusal asks the program, without starting it, whether it takes the configuration
// of a plan, and returns the first line of what it says against it; empty if it has
// nothing against it. The error is about asking.
func (p *Proxy) Refusal(ctx context.Context, plan Plan) (string, error) {
	if p.named != nil {
		return p.named.refusal(plan), nil
	}
	path, err := p.write(plan)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	command := p.check(p.binary, path, plan)
	text, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err == nil || !errors.As(err, &exit) || ctx.Err() != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		// A path of the run's directory says nothing to a reader.
		if line = strings.TrimSpace(strings.ReplaceAll(line, plan.Dir+"/", "")); line != "" {
			return line, nil
		}
	}
	return err.Error(), nil
}

// Start writes the configuration into the plan's directory and starts the proxy
// on a core. It does not wait until the proxy serves. One that is running already is
// left as it is.
func (p *Proxy) Start(plan Plan, cpu int) (*Running, error) {
	if p.named != nil {
		return &Running{Listen: p.named.listen, proxy: p}, nil
	}
	path, err := p.write(plan)
	if err != nil {
		return nil, err
	}
	program, err := process.Start(process.Spec{Argv: p.run(p.binary, path, plan), CPU: cpu, Stop: p.stop}, false)
	if err != nil {
		return nil, err
	}
	return &Running{Listen: plan.Listen, proxy: p, program: program}, nil
}
