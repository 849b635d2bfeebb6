package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"sluice/configs"
	"sluice/engine"
)

type runCmd struct {
	Config string `short:"c" default:"./sluice.yaml" help:"The configuration file." placeholder:"FILE"`
}

// Run runs a configuration until a signal ends it.
func (v *runCmd) Run() error {
	cfg, err := load(v.Config)
	if err != nil {
		return err
	}
	return serve(cfg, v.Config, nil)
}

// reread loads a configuration again, for a reload.
func reread(ctx context.Context, file string) (*configs.Config, error) {
	return configs.Load(file, engine.LookUntil(ctx))
}

// serve runs cfg until a signal ends it; started is called once everything listens. Others find it by its file, if it has
// one.
func serve(cfg *configs.Config, file string, started func()) error {
	lines := newLineWriter()
	defer lines.Close()
	level := new(slog.LevelVar)
	level.Set(engine.LevelOf(cfg))
	log := logger(level, lines)
	// Signals are caught from here on, so that none is lost between listening and waiting.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	l := launcher{cfg: cfg, file: file, log: log, level: level, signals: signals}
	e, err := l.launch()
	if errors.Is(err, errStopped) {
		log.Info(err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	log.Info("listening", "addresses", strings.Join(e.Addresses(), " "), "version", version, "pid", os.Getpid())
	if started != nil {
		started()
	}
	slim()
	if l.hup {
		e.AskReload() // the file may have changed since it was read
	}
	return wait(e, signals, log)
}

// launcher is the way to an engine that listens.
type launcher struct {
	cfg     *configs.Config
	file    string // "" for none
	log     *slog.Logger
	level   *slog.LevelVar
	signals <-chan os.Signal
	hup     bool // one has come meanwhile
}

// launch makes the engine and has it listen.
func (l *launcher) launch() (*engine.Engine, error) {
	e, err := unless(l, func() (*engine.Engine, error) { return engine.New(l.cfg, l.log) })
	if err != nil {
		return nil, err
	}
	e.Version, e.Level = version, l.level
	if l.file != "" {
		e.Load = func(ctx context.Context) (*configs.Config, error) { return reread(ctx, l.file) }
		if err := e.Attend(l.file); err != nil {
			e.Stop()
			return nil, err
		}
	}
	if _, err = unless(l, func() (struct{}, error) { return struct{}{}, e.Start() }); err != nil {
		e.Abandon()
	}
	return e, err
}

// errStopped says that a signal has come before everything listened.
var errStopped = errors.New("stopped by a signal before it listened")

// unless does what may take seconds where a name server is silent; a signal does not wait for that.
func unless[T any](l *launcher, do func() (T, error)) (T, error) {
	type outcome struct {
		made T
		err  error
	}
	over := make(chan outcome, 1)
	go func() {
		made, err := do()
		over <- outcome{made, err}
	}()
	for {
		select {
		case o := <-over:
			return o.made, o.err
		case s := <-l.signals:
			switch s {
			case syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGINT:
				var none T
				return none, errStopped
			case syscall.SIGHUP:
				l.hup = true
			}
		}
	}
}

// stage is how far the proxy is on its way to the end.
type stage int

const (
	running stage = iota
	draining
	stopping
)

// wait handles signals until the engine has ended.
func wait(e *engine.Engine, signals <-chan os.Signal, log *slog.Logger) error {
	ended := make(chan error, 1)
	go func() { ended <- e.Wait() }()
	var drained sync.WaitGroup
	for now := running; ; {
		select {
		case err := <-ended:
			drained.Wait()
			log.Info("stopped", e.Totals()...)
			return err
		case s := <-signals:
			switch {
			case s == syscall.SIGHUP:
				e.AskReload()
			case s == syscall.SIGUSR2:
				log.Warn("SIGUSR2 is ignored: this version cannot hand over to a new binary; restart to change it")
			case s == syscall.SIGUSR1:
				reopen(e, log)
			case now == stopping:
				os.Exit(1)
			case now == draining || s == syscall.SIGINT:
				now = stopping
				e.EndReloads()
				log.Info("stopping at once", "connections", e.Active())
				go e.Stop()
			default:
				now = draining
				e.EndReloads() // before the word is out
				log.Info("stopping: no new connections", "connections", e.Active(), "drain", e.Config().Runtime.Drain)
				drained.Go(func() { drain(e, log) })
			}
		}
	}
}

func reopen(e *engine.Engine, log *slog.Logger) {
	if err := e.Reopen(); err != nil {
		log.Error("cannot reopen the access log; the old file stays in use", "error", err)
		return
	}
	log.Info("reopened the access log")
}

func drain(e *engine.Engine, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), e.Config().Runtime.Drain)
	defer cancel()
	if cut := e.Drain(ctx); cut > 0 {
		log.Warn("connections were cut at the end of runtime.drain", "connections", cut)
	}
}
