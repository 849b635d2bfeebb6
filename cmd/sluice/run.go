package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strings"
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
	return serve(cfg, nil)
}

// serve runs cfg until a signal ends it; started is called once everything listens.
func serve(cfg *configs.Config, started func()) error {
	log := logger(cfg)
	// Signals are caught from here on, so that none is lost between listening and waiting.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(signals)
	e, err := engine.New(cfg, log)
	if err != nil {
		return err
	}
	if err = e.Start(); err != nil {
		return err
	}
	log.Info("listening", "addresses", strings.Join(e.Addresses(), " "), "version", version, "pid", os.Getpid())
	if started != nil {
		started()
	}
	return wait(e, cfg, signals, log)
}

// wait handles signals until the engine has ended.
func wait(e *engine.Engine, cfg *configs.Config, signals <-chan os.Signal, log *slog.Logger) error {
	ended := make(chan error, 1)
	go func() { ended <- e.Wait() }()
	for {
		select {
		case err := <-ended:
			return err
		case s := <-signals:
			switch s {
			case syscall.SIGHUP:
				log.Warn("SIGHUP is ignored: this version cannot reload; restart to apply a changed file")
			case syscall.SIGUSR1:
				reopen(e, log)
			case syscall.SIGINT:
				log.Info("stopping at once", "connections", e.Active())
				go e.Stop()
				return last(ended, signals)
			default:
				log.Info("stopping: no new connections", "connections", e.Active(), "drain", cfg.Runtime.Drain)
				go drain(e, cfg, log)
				return last(ended, signals)
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
	log.Info("stopped")
}

// last waits for the end; one more interrupt or termination is immediate.
func last(ended <-chan error, signals <-chan os.Signal) error {
	for {
		select {
		case err := <-ended:
			return err
		case s := <-signals:
			if s != syscall.SIGHUP && s != syscall.SIGUSR1 {
				os.Exit(1)
			}
		}
	}
}

// logger writes operators' lines to stderr; stdout belongs to the access log.
func logger(cfg *configs.Config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Log.Level)) // the loader has checked the word
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
