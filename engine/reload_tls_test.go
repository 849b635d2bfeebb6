package engine

// TLS and reloads: it may come and go, what is the same goes on, and sessions outlive the change.

import (
	"crypto/tls"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"sluice/internal/assert"
	"sluice/internal/pki"
)

// guarded is a tcp listener with TLS, if there is a certificate.
func guarded(at, server, certificate, more string) string {
	secure := ""
	if certificate != "" {
		secure = fmt.Sprintf(", tls: {certificates: %q%s}", certificate, more)
	}
	return fmt.Sprintf(`
listeners: {raw: {bind: %q, protocol: tcp, upstream: app%s}}
upstreams: {app: {servers: [%q]}}
`, at, secure, server)
}

// store is what the only listener shows.
func (d *desk) store() *shown { return d.now.Load().vault.stores["raw"] }

func TestReloadBringsTLSAndTakesIt(t *testing.T) {
	cert, client := identity(t)
	server, at := origin(t), freePort()
	goroutines := runtime.NumGoroutine()
	d := open(t, guarded(at, server, "", ""))
	assert.Equal(t, d.shakes == nil, true) // without TLS there are no workers
	plain := dial(t, "tcp4", at)
	greet(t, plain)

	d.reload(guarded(at, server, cert, ""))
	first := secure(t, at, client)
	greet(t, plain) // it goes on as it began
	before := d.store()

	d.reload("# the same again\n" + guarded(at, server, cert, ""))
	assert.Equal(t, d.store() == before, true)
	greet(t, first)

	other, stranger := identity(t)
	d.reload(guarded(at, server, other, `, min_version: "1.3"`))
	assert.Equal(t, d.store() == before, false)
	greet(t, first)
	greet(t, secure(t, at, stranger))
	assert.Equal(t, len(d.TLS().Credentials), 1)

	d.reload(guarded(at, server, "", ""))
	greet(t, dial(t, "tcp4", at))
	greet(t, first)
	assert.Equal(t, len(d.TLS().Credentials), 0)

	d.Stop()
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines })
}

// A refused configuration leaves nothing behind of the certificates that it had read.
func TestReloadRefusedWithTLS(t *testing.T) {
	cert, client := identity(t)
	server, at := origin(t), freePort()
	d := open(t, guarded(at, server, cert, ""))
	stays := secure(t, at, client)
	before, goroutines := d.store(), runtime.NumGoroutine()
	other, _ := identity(t)
	for range 3 {
		d.write(guarded(at, server, other, "") + "admin: {bind: \"192.0.2.1:1\", token: 0123456789abcdef}\n")
		_, err := d.Reload()
		assert.Equal(t, strings.Contains(fmt.Sprint(err), "this machine has no address 192.0.2.1"), true)
	}
	assert.Equal(t, d.store() == before, true)
	greet(t, stays)
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines })
}

// Tickets are good for whatever generation opens them.
func TestSessionsOutliveReloads(t *testing.T) {
	t.Parallel()
	cert, client := identity(t)
	server, at := origin(t), freePort()
	d := open(t, guarded(at, server, cert, ""))
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	assert.Equal(t, secure(t, at, client).ConnectionState().DidResume, false)
	d.reload(guarded(at, server, cert, `, min_version: "1.3"`))
	assert.Equal(t, secure(t, at, client).ConnectionState().DidResume, true)
}

// The files of an upstream are followed as long as any configuration that is in force uses them: also when its check does not any
// more, and when a configuration that would have changed that is refused.
func TestFilesAreFollowedOverReloads(t *testing.T) {
	t.Parallel()
	at, server := freePort(), origin(t)
	ca := pki.New(t, "root").File(t)
	text := func(more string) string {
		return fmt.Sprintf(`
listeners: {raw: {bind: %q, protocol: tcp, upstream: app}}
upstreams: {app: {servers: [%q], tls: {ca: %q, verify: true, server_name: a.test}%s}}
`, at, server, ca, more)
	}
	own := fmt.Sprintf(", check: {tcp: true, tls: {ca: %q, server_name: b.test}}", ca)
	d := open(t, text(", check: {tcp: true}"))
	d.reload(text(own))                                                             // first they are the same, now the check has its own
	d.write(text("") + "admin: {bind: \"192.0.2.1:1\", token: 0123456789abcdef}\n") // and would have none
	_, err := d.Reload()
	assert.Equal(t, err != nil, true)
	assert.NoError(t, os.WriteFile(ca, []byte("rubbish"), 0o600))
	v := d.now.Load().vault
	assert.Eventually(t, func() bool { return v.servers["app"].Refused() > 0 && v.checks["app"].Refused() > 0 })
}
