package engine

// The one table of gates, stages and handlers: what a route's features are, and in which order they see a request.

import (
	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/record"
)

func compileHTTPRoute(_ *configs.Config, l *configs.Listener, r *configs.Route) (httpRoute, configs.Issues) {
	made := httpRoute{route: exchange.Route{
		Names:    &record.Names{Listener: l.Name, Route: r.Name, Upstream: r.Upstream.V},
		Timeouts: exchangeTimeouts(l, r),
		MaxBody:  int64(r.MaxBody),
		Hold:     int(r.Buffer.Request), HoldAnswer: int(r.Buffer.Response),
		Upgrade: r.Upgrade, Connect: r.Connect,
	}}
	return made, nil
}
