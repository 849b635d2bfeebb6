package rivals

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

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
		Name: Sluice, Setting: setting, binary: path, stop: syscall.SIGINT, reload: syscall.SIGHUP,
		run:   func(binary, config string, _ Plan) []string { return []string{binary, "run", "-c", config} },
		check: func(binary, config string, _ Plan) []string { return []string{binary, "check", "-c", config} },
	}
}

func nginx(setting string) *Proxy {
	return &Proxy{
		Name: Nginx, Setting: setting, binary: Nginx, reload: syscall.SIGHUP,
		run: func(binary, config string, plan Plan) []string {
			return []string{binary, "-p", plan.Dir, "-e", "stderr", "-c", config}
		},
		check: func(binary, config string, plan Plan) []string {
			return []string{binary, "-t", "-q", "-p", plan.Dir, "-e", "stderr", "-c", config}
		},
	}
}

// haproxy runs in the foreground (-db) as one process, or where it is to be reloaded as
// master and worker (-W).
func haproxy(setting string) *Proxy {
	return &Proxy{
		Name: HAProxy, Setting: setting, binary: HAProxy, reload: syscall.SIGUSR2,
		run: func(binary, config string, plan Plan) []string {
			if plan.Reload {
				return []string{binary, "-W", "-db", "-f", config}
			}
			return []string{binary, "-db", "-f", config}
		},
		check: func(binary, config string, _ Plan) []string { return []string{binary, "-c", "-q", "-f", config} },
	}
}

var versionPattern = regexp.MustCompile(`\d+\.\d+[^\s,]*`)

// locate fills in binary, module, Version or what is missing.
func (p *Proxy) locate(ctx context.Context) {
	binary, err := find(p.binary)
	if err != nil {
		p.missing = "not installed"
		if p.Name == Sluice {
			p.missing = "no binary (make build)"
		}
		return
	}
	p.binary = binary
	argument := map[string]string{Sluice: "version", Nginx: "-V", HAProxy: "-v"}[p.Name]
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	text, err := exec.CommandContext(ctx, binary, argument).CombinedOutput()
	if err != nil {
		p.missing = fmt.Sprintf("does not tell its version: %v", err)
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
	return "", "no stream module (Debian: libnginx-mod-stream)"
}
