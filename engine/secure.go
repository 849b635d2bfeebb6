package engine

// Certificates of listeners: read at the start, followed while the proxy runs, and kept over reloads that say the same.

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"

	"sluice/configs"
	"sluice/engine/certs"
)

// vault is what listeners and upstreams show and believe, and what sessions are resumed by.
type vault struct {
	tickets *certs.Tickets
	stores  map[string]*shown    // by listener
	servers map[string]*believed // by upstream
	checks  map[string]*believed // by upstream; the same as servers where checks say nothing of their own
	keyLog  *os.File             // nil = off
}

// shown is what one listener shows, and what of its configuration that was made from.
type shown struct {
	*certs.Store
	says     configs.TLS
	protocol string
}

// protocols are what is taken by ALPN, by the listener's protocol, the best first. A tcp listener knows nothing of what it carries.
// There are clients that offer HTTP/1.0 and nothing else, curl -0 among them.
var protocols = map[string][]string{"http": {"http/1.1", "http/1.0"}}

// openVault reads what the listeners and the upstreams of cfg show and believe, or goes on with what before, which may be nil,
// has read already. The vault is to be closed, also with issues.
func (e *Engine) openVault(cfg *configs.Config, before *vault) (*vault, configs.Issues) {
	v := &vault{stores: make(map[string]*shown), servers: make(map[string]*believed), checks: make(map[string]*believed)}
	var issues configs.Issues
	if before != nil {
		v.tickets, v.keyLog = before.tickets, before.keyLog
	} else {
		before, v.tickets = &vault{}, certs.NewTickets()
		if path := cfg.Runtime.KeyLog; path != "" {
			var err error
			if v.keyLog, err = certs.OpenKeyLog(path, e.certWatch("runtime.key_log", nil).Trouble); err != nil {
				issues = append(issues, cfg.Issue(cfg.Runtime.At, "cannot open key_log: "+err.Error(), ""))
			}
		}
	}
	for i := range cfg.Listeners {
		l := &cfg.Listeners[i]
		if l.TLS == nil {
			continue
		}
		if old := before.stores[l.Name]; old != nil && old.protocol == l.Protocol && configs.Same(old.says, *l.TLS) {
			v.stores[l.Name] = old
			continue
		}
		store, err := certs.NewStore(certs.Options{
			TLS: *l.TLS, NextProtos: protocols[l.Protocol], Tickets: v.tickets, Watch: e.certWatch("listener "+l.Name, v.keyLog),
		})
		if err != nil {
			issues = append(issues, explainFiles(cfg, l.TLS.At, err)...)
			continue
		}
		v.stores[l.Name] = &shown{store, *l.TLS, l.Protocol}
	}
	return v, append(issues, v.openUpstreams(e, cfg, before)...)
}

// explainFiles makes an issue of each file that cannot be used.
func explainFiles(cfg *configs.Config, at configs.Position, err error) (issues configs.Issues) {
	all := []error{err}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		all = several.Unwrap()
	}
	for _, one := range all {
		issues = append(issues, cfg.Issue(at, one.Error(), ""))
	}
	return issues
}

// of is how a listener's connections are secured; nil for one without TLS.
func (v *vault) of(listener string) *tls.Config {
	if v == nil || v.stores[listener] == nil {
		return nil
	}
	return v.stores[listener].Config()
}

// close ends following the files of what heir, which may be nil, does not have as well. Connections that were made with them
// go on.
func (v *vault) close(heir *vault) {
	if v == nil {
		return
	}
	if heir == nil {
		heir = &vault{}
	}
	for name, s := range v.stores {
		if heir.stores[name] != s {
			s.Close()
		}
	}
	v.closeUpstreams(heir)
	if v.keyLog != nil && v.keyLog != heir.keyLog {
		_ = v.keyLog.Close()
	}
}

// certWatch tells operators what happens to the files of owner.
func (e *Engine) certWatch(owner string, keyLog *os.File) certs.Watch {
	log := e.events.Logger(e.log)
	w := certs.Watch{
		Trouble: func(err error) {
			level := slog.LevelWarn
			var file *certs.FileError
			if errors.As(err, &file) && file.Refused {
				level = slog.LevelError
			}
			log.Log(context.Background(), level, "certificates: "+err.Error(), "owner", owner)
		},
		Recovered: func(file string) { log.Info("certificates: nothing is wrong any more with "+file, "owner", owner) },
	}
	if keyLog != nil {
		w.KeyLog = &certs.KeyLog{File: keyLog, Trouble: w.Trouble}
	}
	return w
}
