// Package rewrite changes what a request asks for on its way to the server: a prefix of its path, and its host.
//
//	rewrite: {strip_prefix: /v1, host: app.internal}
//
//	/v1/users?id=1  →  /users?id=1
//	/v1             →  /
//	/v1?id=1        →  /?id=1
//	/v10            →  as it is: a prefix ends where a segment does
//	/%761/users     →  as it is: the target is taken as it was sent, and never decoded
package rewrite

import (
	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/template"
)

// Compile returns the gate, nil if there is nothing to change. It must come after the gates that judge or report what the
// client asked for.
func Compile(rules configs.Rewrite) exchange.Gate {
	if rules.StripPrefix == "" && rules.Host == "" {
		return nil
	}
	return &gate{prefix: []byte(rules.StripPrefix), host: template.Compile(rules.Host), newHost: rules.Host != ""}
}
