package engine

// The one table of gates, stages and handlers: what a route's features are, and in which order they see a request.

import (
	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/feature/access"
	"sluice/engine/feature/clientcert"
	"sluice/engine/feature/forwarded"
	"sluice/engine/feature/header"
	"sluice/engine/feature/redirect"
	"sluice/engine/feature/respond"
	"sluice/engine/feature/rewrite"
	"sluice/engine/record"
	"sluice/engine/route"
)

// compileHTTPRoute makes what all loops share of a route of listener l, whose trusted proxies these are.
func compileHTTPRoute(l *configs.Listener, r *configs.Route, trusted *route.Prefixes) httpRoute {
	forward, via := forwarded.Compile(trusted, r)
	editRequest, editAnswer := header.Compile(r.Headers)
	return httpRoute{route: exchange.Route{
		Names: &record.Names{Listener: l.Name, Route: r.Name, Upstream: r.Upstream.V},
		Gates: present(
			forward,                    // first of all: who is the client?
			access.Compile(r.ClientIP), // may it come in?
			clientcert.Compile(l.TLS != nil && l.TLS.ClientHeaders),
			editRequest,                 // edits see the request as it was sent,
			rewrite.Compile(r.Rewrite)), // so rewriting comes last
		Stages: present(
			via, // the proxy's own fields first, so that edits may change them
			editAnswer),
		Handler:  ownHandler(r),
		Timeouts: exchangeTimeouts(l, r),
		MaxBody:  int64(r.MaxBody),
		Hold:     int(r.Buffer.Request), HoldAnswer: int(r.Buffer.Response),
		Retain:  r.Retry.Attempts > 0,
		Upgrade: r.Upgrade, Connect: r.Connect,
	}}
}

// ownHandler is the handler of a route that needs no server, or nil.
func ownHandler(r *configs.Route) exchange.Handler {
	switch {
	case r.Respond != nil:
		return respond.Compile(r.Respond)
	case r.Redirect != nil:
		return redirect.Compile(r.Redirect)
	}
	return nil
}

// present leaves out the features that are off: they cost nothing.
func present[T comparable](all ...T) []T {
	var none T
	var some []T
	for _, one := range all {
		if one != none {
			some = append(some, one)
		}
	}
	return some
}
