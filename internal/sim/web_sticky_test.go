package sim

// Cookies that bring clients back to their server.

import (
	"slices"
	"strings"

	"sluice/configs"
	"sluice/engine/lease"
	"sluice/engine/upstream"
)

const stickyName = "SRV"

// drawSticky makes the cookie, for some worlds.
func (w *web) drawSticky() (sign func(address string) string) {
	if !w.chance(25) {
		return nil
	}
	w.sticky = upstream.NewSticky(&configs.Sticky{Cookie: stickyName, Key: "a key of the simulation's own, fixed"}, nil)
	return func(address string) string { return w.sticky.Label("pool", address) }
}

// remember has a client send its cookie with an ask.
func (c *client) remember(a *ask) {
	if c.cookie == "" || a.bad != flawless {
		return
	}
	a.cookie = c.cookie
	a.fields = append(a.fields, field{"Cookie", "x=1; " + stickyName + "=" + c.cookie + "; y=2"})
	end := len(a.head) - len("\r\n")
	a.head = append(slices.Clone(a.head[:end]), "Cookie: x=1; "+stickyName+"="+c.cookie+"; y=2\r\n\r\n"...)
}

// unstick takes the cookie out of an answer's fields, and judges it: whoever has not got the cookie of the server that
// answered is given it, and nobody else; but not by a server that cannot serve.
func (w *web) unstick(a *ask, r *reply, fields []field) (rest []field, wrong string) {
	const before = stickyName + "="
	given := ""
	for _, f := range fields {
		if strings.EqualFold(f.name, "Set-Cookie") && strings.HasPrefix(f.value, before) {
			given, _, _ = strings.Cut(f.value[len(before):], ";")
			continue
		}
		rest = append(rest, f)
	}
	want := ""
	if w.sticky != nil {
		want = w.sticky.Label("pool", lease.Endpoint(r.by.e.peer.server.addr).String())
	}
	if a.cookie == want || r.status >= 502 && r.status <= 504 {
		want = ""
	}
	if given != want {
		return rest, "its cookie is not that of the server that answered"
	}
	if given != "" {
		a.of.cookie = given
	}
	return rest, ""
}

// astray says that a first try should have gone to the server that the ask's cookie names.
func (w *web) astray(t *try) string {
	c := &w.rig.care
	if w.sticky == nil || t.of.cookie == "" {
		return ""
	}
	at := lease.Endpoint(t.near.server.addr).String()
	if w.sticky.Label("pool", at) == t.of.cookie {
		w.cover.hit(stuck)
		return ""
	}
	w.cover.hit(unstuck)
	for _, s := range w.servers {
		home := w.sticky.Label("pool", lease.Endpoint(s.addr).String()) == t.of.cookie
		if home && s.manner == accepts && !s.moody && !c.tended && !c.limited && !w.plan.shortage {
			return "although its cookie names " + s.name
		}
	}
	return ""
}
