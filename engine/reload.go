package engine

// Reload: the configuration is read again, and a new generation takes over from the one at work.
//
//	load ─► prepare ─► discover, equip ─► commit
//	  └───────┴──────────────┴──► refused: everything opened is taken back, and nothing has changed
//
// Up to commit the generation at work notices nothing. Commit is short: stewards hand over, gates get their limits, and
// each loop enters the new generation between two events.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"sluice/configs"
	"sluice/engine/machine"
	"sluice/engine/observe"
)

var (
	errNoFile = errors.New("there is nothing to reload: this proxy runs without a file")
	errEnding = errors.New("the proxy is stopping")
)

// Reload implements observe.Control: it reads the configuration again, puts it in force, and returns when that is done or
// refused. What is asked for while a reload runs is one more reload after it, however often it is asked.
func (e *Engine) Reload() (observe.Reloaded, error) {
	o, err := e.reloads.ask(e)
	if err != nil {
		return observe.Reloaded{}, err
	}
	<-o.done
	return o.made, o.err
}

// AskReload is Reload for those who do not wait for it; what becomes of it is in the log.
func (e *Engine) AskReload() {
	if _, err := e.reloads.ask(e); err != nil {
		e.log.Warn("the configuration is not read again", "cause", err)
	}
}

// reload is one of them. It runs on a goroutine of its own, and alone.
func (e *Engine) reload() (done observe.Reloaded, err error) {
	began := time.Now()
	cfg, err := e.Load(e.life)
	if err == nil {
		done, err = e.replace(cfg)
	}
	if e.life.Err() != nil && err != nil {
		err = errEnding // whatever else was found out is a consequence
	}
	if err != nil {
		e.tellRefusal(err)
		return observe.Reloaded{}, err
	}
	for _, w := range cfg.Warnings {
		done.Warnings = append(done.Warnings, w.Error())
		e.log.Warn("in the new configuration", "warning", w.Error())
	}
	e.log.Info("the configuration is reloaded", "generation", done.Generation, "changes", changesText(done.Changes),
		"took", time.Since(began).Round(time.Millisecond))
	if len(done.Fixed) > 0 {
		e.log.Warn("some changes need a restart; until then the old values hold", "keys", strings.Join(done.Fixed, " "))
	}
	return done, nil
}

// tellRefusal logs everything that is wrong.
func (e *Engine) tellRefusal(err error) {
	issues, ok := errors.AsType[configs.Issues](err)
	if !ok {
		e.log.Error("reload refused: the configuration that runs stays in force", "cause", err)
		return
	}
	e.log.Error("reload refused: the configuration that runs stays in force", "problems", len(issues))
	for _, i := range issues {
		e.log.Error("reload refused", "problem", i.Error())
	}
}

// replace has cfg come into force, as far as it can without a restart.
func (e *Engine) replace(cfg *configs.Config) (done observe.Reloaded, err error) {
	before := e.now.Load()
	fixed := configs.NeedRestart(before.config, cfg)
	// What cannot change does not: else limits would be derived from loops and memory that are not there.
	cfg.Runtime.Loops, cfg.Runtime.Memory = before.config.Runtime.Loops, before.config.Runtime.Memory
	cfg.Runtime.Workers, cfg.Runtime.KeyLog = before.config.Runtime.Workers, before.config.Runtime.KeyLog
	next, issues := e.prepare(e.life, cfg, before)
	if len(issues) > 0 {
		return done, issues.Sort(cfg.File)
	}
	next.fixed = fixed
	next.discoverServers(e.life)
	next.equip(e.cores)
	done = observe.Reloaded{Generation: next.number, Changes: changes(before, next), Fixed: fixed}
	if err = e.commit(next); err != nil {
		next.discard()
		return done, err
	}
	e.parting.Go(func() { before.partFrom(next) })
	return done, nil
}

// commit puts next in force. It is refused only when the proxy is about to end.
func (e *Engine) commit(next *generation) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	if state := e.State(); state != observe.ProxyRunning {
		return fmt.Errorf("the proxy is %s", state)
	}
	if e.shakes == nil && machine.SpeaksTLS(next.config) {
		e.employ(next.config)
		machine.MakeRoom(len(e.cores), e.shakes.places())
	}
	next.handStewards()
	next.openGates(e.auto)
	if err := e.enter(next); err != nil {
		e.log.Error("a loop cannot listen on all addresses: others take its connections", "error", err)
	}
	if bind := next.config.Admin.Bind; next.admin != nil && next.admin == next.before.admin {
		_ = next.admin.SetToken(bind.V, next.config.Admin.Token) // the loader has seen that it is needed, or not
	} else if next.admin != nil {
		next.admin.Serve()
	}
	if e.Level != nil {
		e.Level.Set(LevelOf(next.config))
	}
	if next.access == next.before.access { // other proxies open their files again at this moment, and rotations rely on it
		if err := next.access.Reopen(); err != nil {
			e.log.Error("cannot reopen the access log; the old file stays in use", "error", err)
		}
	}
	next.before.addresses.unlink(next.addresses)
	next.before, next.since = nil, time.Now()
	e.now.Store(next)
	return nil
}

// partFrom closes what next does not have. Nothing refers to it any more, but answers of the admin server that are on
// their way.
func (g *generation) partFrom(next *generation) {
	if g.access != next.access {
		g.access.Close()
	}
	if g.admin != nil && g.admin != next.admin {
		g.admin.Close()
	}
	g.vault.close(next.vault)
}

// LevelOf is the log level of a configuration.
func LevelOf(cfg *configs.Config) (level slog.Level) {
	_ = level.UnmarshalText([]byte(cfg.Log.Level)) // the loader has checked the word
	return level
}

// LookUntil is Look for as long as ctx lasts.
func LookUntil(ctx context.Context) configs.Look {
	return func(readable *configs.Config) configs.Issues { return lookAt(ctx, readable) }
}
