package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"sluice/configs"
)

type demoCmd struct {
	Listen string `default:":8080" help:"Where the proxy listens." placeholder:"ADDR"`
}

// Run starts two origins on free ports and a proxy in front of them.
func (v *demoCmd) Run() error {
	var origins []string
	for _, name := range []string{"one", "two"} {
		address, err := origin(name)
		if err != nil {
			return err
		}
		origins = append(origins, address)
	}
	cfg, err := configs.Quick("tcp", v.Listen, origins)
	if err != nil {
		return err
	}
	// Each loop takes its own turns, so a visible one needs a single loop.
	cfg.Upstreams[0].Balance, cfg.Runtime.Loops = "round_robin", 1
	return serve(cfg, func() { v.guide(cfg, origins) })
}

// origin serves a small answer on a free port of the loopback interface, until the process ends.
func origin(name string) (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello from origin %s. You asked for %s.\n", name, r.URL.Path)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	return l.Addr().String(), nil
}

// guide says in a few lines what to try.
func (v *demoCmd) guide(cfg *configs.Config, origins []string) {
	port := cfg.Listeners[0].Bind[0].V.Port
	fmt.Fprintf(os.Stderr, `
A proxy on %s passes connections to two small origins, %s and %s, in turn.
In another terminal, try:

  curl http://localhost:%d/            # again and again: origins one and two take turns
  curl -sS localhost:%d/a localhost:%d/b  # one connection, two requests, one origin

Each connection leaves one line on stdout when it is over. Ctrl-C stops.

`, v.Listen, origins[0], origins[1], port, port, port)
}
