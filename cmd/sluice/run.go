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

// serve runs cfg until a signal ends it; started is called once everything listens. Others find it by its file, if it has
// one.
func serve(cfg *configs.Config, file string, started func()) error {
	lines := newLineWriter()
	defer lines.Close()
	log := logger(cfg, lines)
	// Signals are caught from here on, so that none is lost between listening and waiting.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	e, err := launch(cfg, file, log, signals)
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
	return wait(e, cfg, signals, log)
}

// launch makes the engine and has it listen.
func launch(cfg *configs.Config, file string, log *slog.Logger, signals <-chan os.Signal) (*engine.Engine, error) {
	e, err := unless(signals, func() (*engine.Engine, error) { return engine.New(cfg, log) })
	if err != nil {
		return nil, err
	}
	e.Version = version
	if file != "" {
		if err := e.Attend(file); err != nil {
			e.Stop()
			return nil, err
		}
	}
	if _, err = unless(signals, func() (struct{}, error) { return struct{}{}, e.Start() }); err != nil {
		e.Abandon()
	}
	return e, err
}

// errStopped says that a signal has come before everything listened.
var errStopped = errors.New("stopped by a signal before it listened")

// unless does what may take seconds where a name server is silent; a signal does not wait for that.
func unless[T any](signals <-chan os.Signal, do func() (T, error)) (T, error) {
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
		case s := <-signals:
			switch s {
			case syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGINT:
				var none T
				return none, errStopped
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
func wait(e *engine.Engine, cfg *configs.Config, signals <-chan os.Signal, log *slog.Logger) error {
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
				log.Warn("SIGHUP is ignored: this version cannot reload; restart to apply a changed file")
			case s == syscall.SIGUSR2:
				log.Warn("SIGUSR2 is ignored: this version cannot hand over to a new binary; restart to change it")
			case s == syscall.SIGUSR1:
				reopen(e, log)
			case now == stopping:
				os.Exit(1)
			case now == draining || s == syscall.SIGINT:
				now = stopping
				log.Info("stopping at once", "connections", e.Active())
				go e.Stop()
			default:
				now = draining
				log.Info("stopping: no new connections", "connections", e.Active(), "drain", cfg.Runtime.Drain)
				drained.Go(func() { drain(e, cfg, log) })
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

func drain(e *engine.Engine, cfg *configs.Config, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Runtime.Drain)
	defer cancel()
	if cut := e.Drain(ctx); cut > 0 {
		log.Warn("connections were cut at the end of runtime.drain", "connections", cut)
	}
}
