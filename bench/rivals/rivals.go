// Package rivals knows the proxies that are compared: where they are, which
// version, how to start each from a pinned configuration, how to end it.
//
// A configuration is a template beside this file, NAME-PROTOCOL-SETTING.tmpl. All
// have one worker, thread or loop, no logs, the same timeouts and backlog, room for
// the idle connections and, for HTTP, the same use of connections to the origin and
// X-Forwarded-For; "default" changes nothing else, "tuned" is what one would set
// for bulk.
package rivals

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// Protocols that the proxies speak.
const (
	TCP  = "tcp"
	HTTP = "http"
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

	missing  string // why the program cannot be measured
	lacksTCP string // nginx: why it cannot be measured as a TCP proxy
	binary   string
	module   string // nginx: the stream module to load, if it is not built in
	argv     func(binary, config, dir string) []string
	stop     syscall.Signal
}

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
	// Module is filled in by Start.
	Module string
}

// Find looks for the programs. Sluice is the file given by path, the others are
// those of the system. One that is missing is in the list too and says so. A second
// sluice, to compare the first with, is in the list if base is not empty.
func Find(ctx context.Context, sluicePath, base string) []*Proxy {
	all := []*Proxy{sluice(Default, sluicePath)}
	if base != "" {
		all = append(all, sluice(Base, base))
	}
	all = append(all, nginx(Default), nginx(Tuned), haproxy(Default), haproxy(Tuned))
	for _, p := range all {
		p.locate(ctx)
	}
	return all
}

func sluice(setting, path string) *Proxy {
	return &Proxy{
		Name: Sluice, Setting: setting, binary: path, stop: syscall.SIGINT,
		argv: func(binary, config, _ string) []string { return []string{binary, "run", "-c", config} },
	}
}

func nginx(setting string) *Proxy {
	return &Proxy{
		Name: Nginx, Setting: setting, binary: Nginx,
		argv: func(binary, config, dir string) []string {
			return []string{binary, "-p", dir, "-e", "stderr", "-c", config}
		},
	}
}

func haproxy(setting string) *Proxy {
	return &Proxy{
		Name: HAProxy, Setting: setting, binary: HAProxy,
		// -db: stay in the foreground, one process.
		argv: func(binary, config, _ string) []string { return []string{binary, "-db", "-f", config} },
	}
}

var versionPattern = regexp.MustCompile(`\d+\.\d+[^\s,]*`)

// locate fills in binary, module, Version or what is missing.
func (p *Proxy) locate(ctx context.Context) {
	binary, err := find(p.binary)
	if err != nil {
		p.missing = p.Name + " is not installed"
		if p.Name == Sluice {
			p.missing = "no sluice binary (make build)"
		}
		return
	}
	p.binary = binary
	argument := map[string]string{Sluice: "version", Nginx: "-V", HAProxy: "-v"}[p.Name]
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	text, err := exec.CommandContext(ctx, binary, argument).CombinedOutput()
	if err != nil {
		p.missing = fmt.Sprintf("%s does not tell its version: %v", p.Name, err)
		return
	}
	p.Version = p.version(text)
	if p.Name == Nginx {
		p.module, p.lacksTCP = streamModule(string(text))
	}
}

// version finds it in what the program says: sluice's is the second word, the
// peers' look like a version.
func (p *Proxy) version(text []byte) string {
	if words := strings.Fields(string(text)); p.Name == Sluice && len(words) > 1 {
		return words[1]
	}
	if found := versionPattern.Find(text); found != nil {
		return string(found)
	}
	return "unknown"
}

// find looks in the search path and where Debian keeps servers, which an
// unprivileged user's path omits.
func find(binary string) (string, error) {
	path, err := exec.LookPath(binary)
	if err == nil {
		return filepath.Abs(path)
	}
	return exec.LookPath(filepath.Join("/usr/sbin", filepath.Base(binary)))
}

var (
	modulesPath  = regexp.MustCompile(`--modules-path=(\S+)`)
	streamStatic = regexp.MustCompile(`--with-stream(\s|$)`)
)

// streamModule finds out from `nginx -V` whether TCP proxying is built in, and
// otherwise where its module is.
func streamModule(build string) (module, missing string) {
	if streamStatic.MatchString(build) {
		return "", ""
	}
	if dir := modulesPath.FindStringSubmatch(build); dir != nil {
		module = filepath.Join(dir[1], "ngx_stream_module.so")
		if _, err := os.Stat(module); err == nil {
			return module, ""
		}
	}
	return "", "nginx has no stream module (Debian: libnginx-mod-stream)"
}

// template names the configuration.
func (p *Proxy) template(protocol string) string {
	setting := p.Setting
	if setting == Base {
		setting = Default
	}
	return p.Name + "-" + protocol + "-" + setting + ".tmpl"
}

// Start writes the configuration into the plan's directory and starts the proxy
// on a core. It does not wait until the proxy serves.
func (p *Proxy) Start(plan Plan, cpu int) (*process.Process, error) {
	plan.Module = p.module
	parsed, err := template.ParseFS(templates, p.template(plan.Protocol))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(plan.Dir, "proxy.conf")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	err = parsed.Execute(file, plan)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, fmt.Errorf("configuration of %s: %w", p.Title(), err)
	}
	return process.Start(process.Spec{Argv: p.argv(p.binary, path, plan.Dir), CPU: cpu, Stop: p.stop}, false)
}
