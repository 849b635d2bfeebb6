// Package access admits clients to a route by their address: a route's client_ip.
//
// It judges whom a request speaks for, x.Client, and not who has connected: trusted proxies may stand between, and a
// PROXY header has been read. The listener's own client_ip has judged the socket's peer before.
package access

import (
	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/route"
)

// Compile returns the gate for the rules, nil if there are none. It must come after the gate that finds the client.
func Compile(rules configs.ClientIP) exchange.Gate {
	if len(rules.Allow) == 0 && len(rules.Deny) == 0 {
		return nil
	}
	return &gate{route.Access{Allow: route.CompilePrefixes(rules.Allow), Deny: route.CompilePrefixes(rules.Deny)}}
}
