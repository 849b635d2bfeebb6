// Package forwarded finds out for whom a request speaks, and tells the server:
//
//	203.0.113.9 ─► proxy 10.0.0.7 ─► sluice ─► server
//	X-Forwarded-For: 198.51.100.1, 203.0.113.9          as 10.0.0.7 sends it; the first was made up by the client
//	x.Client = 203.0.113.9                              if 10.0.0.7 is trusted, else 10.0.0.7
//	X-Forwarded-For: 198.51.100.1, 203.0.113.9, 10.0.0.7
//
// A peer is believed if it is in the listener's trusted_proxies. What others say about X-Forwarded-For, -Proto, -Host and
// -Port, and Forwarded (RFC 7239), is removed, and written anew. With the routes' forwarded, Forwarded is written too; with
// via, Via (RFC 9110, section 7.6.3).
package forwarded

import (
	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/route"
)

// Compile returns what a listener, whose trusted_proxies are trusted, does for requests of route r: a gate, and a stage that
// is nil unless r says via. The gate must come before all that asks for x.Client. trusted may be shared and must not change.
func Compile(trusted *route.Prefixes, r *configs.Route) (exchange.Gate, exchange.Stage) {
	g := &gate{trusted: trusted, forwarded: r.Forwarded, via: r.Via}
	if !r.Via {
		return g, nil
	}
	return g, viaStage{}
}
