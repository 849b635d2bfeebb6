package scenarios

import (
	"slices"

	"sluice/bench/load"
	"sluice/bench/rivals"
)

const (
	// postBody is larger than nginx's buffer for one.
	postBody = 64 * kib
	// pipeline is how many requests a client sends ahead.
	pipeline = 16
)

// httpLoads are closed loops of requests and answers of several sizes, kept
// connections to the origin everywhere.
func httpLoads() []Scenario {
	bulk := slices.Concat(in(rivals.Default, both(0.50)), in(rivals.Tuned, both(0.90)))
	all := []Scenario{
		httpLoad("http-small", "keep-alive GET requests with 60-byte answers over 64 connections", small(nil), in(rivals.Default, both(0.95))),
		httpLoad("http-many", "keep-alive GET requests with 60-byte answers over 1,000 connections",
			small(func(o *load.Options) { o.Connections = manyConnections }), both(0.95)),
		httpLoad("http-pipeline", "GET requests with 60-byte answers, 16 at a time on each of 64 connections",
			small(func(o *load.Options) { o.Pipeline = pipeline }), nil),
		httpLoad("http-10k", "keep-alive GET requests with 10 KiB answers over 64 connections",
			small(func(o *load.Options) { o.Size = 10 * kib }), in(rivals.Default, both(0.95))),
		httpLoad("http-100k", "keep-alive GET requests with 100 KiB answers over 64 connections",
			small(func(o *load.Options) { o.Size = 100 * kib }), in(rivals.Default, both(0.75))),
		httpLoad("http-10m", "10 MiB answers over 4 connections",
			small(func(o *load.Options) { o.Size, o.Connections = largeAnswer, 4 }), bulk),
		httpLoad("http-post", "keep-alive POST requests of 64 KiB with 60-byte answers over 64 connections",
			small(func(o *load.Options) { o.Post = postBody }), in(rivals.Default, both(0.85))),
		httpLoad("http-connect", "connect, one GET request with a 60-byte answer, close by the client; 32 at a time", churn(), both(0.97)),
	}
	socket := httpLoad("http-websocket", "128-byte WebSocket messages that come back, one at a time on each of 64 connections",
		load.Options{Mode: load.Keep, Protocol: load.WebSocket, Connections: 64, Message: message}, nil)
	socket.Metrics[0].Unit = "µs per message"
	return append(all, socket)
}

// traced are the scenarios whose system calls are counted: those in which a call
// more or less is a good part of the cost.
var traced = []string{"http-small", "http-10k", "http-100k", "http-10m", "http-connect"}

// httpLoad is a scenario that counts processor time per request. Where a target
// names a setting, the rivals are measured tuned too.
func httpLoad(name, what string, opt load.Options, limits []Limit) Scenario {
	sc := Scenario{
		Name: name, What: what, Protocol: rivals.HTTP, Load: opt, Origins: 1,
		Settings: asShipped, Trace: slices.Contains(traced, name),
		Metrics: []Metric{cpu("µs per request", limits)},
		Full:    fullTiming, Quick: quickTiming,
	}
	if len(limits) > 0 && limits[0].Setting != "" {
		sc.Settings = bothWays
	}
	return sc
}

// httpIdle: what a client costs that has asked once and may ask again.
func httpIdle() Scenario {
	return Scenario{
		Name: "http-idle", Protocol: rivals.HTTP, Origins: 1,
		What:     "9,000 keep-alive connections, each used for one request, then idle",
		Load:     small(func(o *load.Options) { o.Mode, o.Connections = load.Hold, idleCount }),
		Settings: asShipped,
		Metrics: []Metric{{
			Name: "memory", Unit: "bytes per connection", Of: memoryPerConnection, Watched: true, Limits: []Limit{{AtMost: keptBudget}},
		}},
		Full: fullIdle, Quick: quickIdle,
	}
}

// tls is HTTP/1.1 that comes encrypted and goes on in the clear.
func tls() []Scenario {
	secure := func(opt load.Options) load.Options {
		opt.Protocol = load.HTTPS
		opt.TLS = &load.TLS{ServerName: rivals.ServerName, MinVersion: "1.3"}
		return opt
	}
	resumed := secure(churn())
	resumed.TLS.Resume = true
	all := []Scenario{
		httpLoad("tls-small", "keep-alive GET requests with 60-byte answers over 64 connections with TLS 1.3", secure(small(nil)), both(0.90)),
		httpLoad("tls-10m", "10 MiB answers over 4 connections with TLS 1.3",
			secure(small(func(o *load.Options) { o.Size, o.Connections = largeAnswer, 4 })), both(0.60)),
		httpLoad("tls-connect", "connect, full handshake of TLS 1.3, one GET request with a 60-byte answer, close by the client; 32 at a time",
			secure(churn()), both(1.35)),
		httpLoad("tls-resume", "the same with sessions that are resumed", resumed, both(1.10)),
		{
			Name: "tls-idle", What: "9,000 keep-alive connections with TLS 1.3, each used for one request, then idle", Origins: 1,
			Load: secure(small(func(o *load.Options) { o.Mode, o.Connections = load.Hold, idleCount })),
			Metrics: []Metric{{
				Name: "memory", Unit: "bytes per connection", Of: memoryPerConnection, Watched: true, Limits: []Limit{{AtMost: secureBudget}},
			}},
			Full: fullIdle, Quick: quickIdle,
		},
	}
	for i := range all {
		all[i].Protocol, all[i].Settings = rivals.TLS, asShipped
	}
	all[1].Settings = bothWays // the others do not fill a buffer
	all[0].Trace = true
	return all
}
