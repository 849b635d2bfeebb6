// Package rivals knows the proxies that are compared: where they are, which
// version, how to start each from a pinned configuration, how to end it.
//
// A configuration is a template beside this file. All have one worker, thread or
// loop, no logs, the same timeouts and backlog and room for the idle tunnels;
// "default" changes nothing else, "tuned" is what one would set for bulk.
package rivals

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"text/template"
	"time"

	"sluice/bench/process"
)

//go:embed *.tmpl
var templates embed.FS

// Settings of a rival.
const (
	Default = "default"
	Tuned   = "tuned"
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
	// Missing says why the program cannot be measured; empty if it can.
	Missing string

	binary   string
	module   string // nginx: the stream module to load, if it is not built in
	template string
	argv     func(binary, config, dir string) []string
	stop     syscall.Signal
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
	// Listen is the address to serve, Origins those to pass connections to.
	Listen  string
	Origins []string
	// Module is filled in by Start.
	Module string
}

// Find looks for the programs. Sluice is the file given by path, the others are
// those of the system. One that is missing is in the list too and says so.
func Find(ctx context.Context, sluice string) []*Proxy {
	all := []*Proxy{
		{
			Name: Sluice, Setting: Default, binary: sluice, template: "sluice.yaml.tmpl", stop: syscall.SIGINT,
			argv: func(binary, config, _ string) []string { return []string{binary, "run", "-c", config} },
		},
		nginx(Default), nginx(Tuned), haproxy(Default), haproxy(Tuned),
	}
	for _, p := range all {
		p.locate(ctx)
	}
	return all
}

func nginx(setting string) *Proxy {
	return &Proxy{
		Name: Nginx, Setting: setting, binary: Nginx, template: "nginx-" + setting + ".conf.tmpl",
		argv: func(binary, config, dir string) []string {
			return []string{binary, "-p", dir, "-e", "stderr", "-c", config}
		},
	}
}

func haproxy(setting string) *Proxy {
	return &Proxy{
		Name: HAProxy, Setting: setting, binary: HAProxy, template: "haproxy-" + setting + ".cfg.tmpl",
		// -db: stay in the foreground, one process.
		argv: func(binary, config, _ string) []string { return []string{binary, "-db", "-f", config} },
	}
}

var versionPattern = regexp.MustCompile(`\d+\.\d+[^\s,]*`)

// locate fills in binary, Version, module or Missing.
func (p *Proxy) locate(ctx context.Context) {
	binary, err := find(p.binary)
	if err != nil {
		p.Missing = p.Name + " is not installed"
		if p.Name == Sluice {
			p.Missing = "no sluice binary (make build)"
		}
		return
	}
	p.binary = binary
	argument := map[string]string{Sluice: "version", Nginx: "-V", HAProxy: "-v"}[p.Name]
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	text, err := exec.CommandContext(ctx, binary, argument).CombinedOutput()
	if err != nil {
		p.Missing = fmt.Sprintf("%s does not tell its version: %v", p.Name, err)
		return
	}
	p.Version = string(versionPattern.Find(text))
	if p.Version == "" {
		p.Version = "unknown"
	}
	if p.Name == Nginx {
		p.module, p.Missing = streamModule(string(text))
	}
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

// Start writes the configuration into the plan's directory and starts the proxy
// on a core. It does not wait until the proxy serves.
func (p *Proxy) Start(plan Plan, cpu int) (*process.Process, error) {
	plan.Module = p.module
	parsed, err := template.ParseFS(templates, p.template)
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
