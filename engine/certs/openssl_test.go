package certs

import (
	"context"
	"crypto/tls"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"sluice/internal/assert"
)

// serve answers connections until the test ends: a handshake, and nothing more.
func serve(t *testing.T, config *tls.Config) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	assert.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				conn.SetDeadline(time.Now().Add(patience))
				exchange(tls.Server(conn, config), conn.(*net.TCPConn))
			}()
		}
	}()
	return l.Addr().String()
}

// What OpenSSL makes of it.
func TestOpenSSL(t *testing.T) {
	binary, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	root := newCA(t, "root", nil)
	inter := newCA(t, "intermediate", root)
	dir := t.TempDir()
	site := inter.site(t, "", "a.test")
	o := Options{TLS: served(inter.site(t, "RSA", "a.test").files(t, dir, "rsa"), site.files(t, dir, "ec"),
		inter.site(t, "Ed25519", "ed.test").files(t, dir, "ed")), NextProtos: []string{"h2", "http/1.1"}}
	o.TLS.OCSP = put(t, filepath.Join(dir, "staple.der"), inter.vouches(t, inter, site, ocsp.Response{NextUpdate: time.Now().Add(time.Hour)}))
	address := serve(t, open(t, o).Config())
	ca := put(t, filepath.Join(dir, "root.pem"), root.chain())
	ask := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		all := append([]string{"s_client", "-connect", address, "-CAfile", ca, "-verify_return_error", "-status"}, args...)
		command := exec.CommandContext(ctx, binary, all...)
		command.Stdin = strings.NewReader("x")
		out, _ := command.CombinedOutput()
		return string(out)
	}
	for _, c := range []struct {
		args string
		want []string
	}{
		{"-servername a.test -verify_hostname a.test", []string{"Verify return code: 0 (ok)", "TLSv1.3", "Peer signature type: ECDSA", "OCSP Response Status: successful", "Cert Status: good"}},
		{"-servername A.TEST -sigalgs RSA-PSS+SHA256", []string{"Verify return code: 0 (ok)", "Peer signature type: RSA-PSS", "OCSP response: no response sent"}},
		{"-servername a.test -tls1_2", []string{"Verify return code: 0 (ok)", "Cipher is ECDHE-ECDSA-", "Extended master secret: yes"}},
		{"-servername a.test -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", []string{"Verify return code: 0 (ok)", "Cipher is ECDHE-RSA-AES128-GCM-SHA256"}},
		{"-servername a.test -tls1_2 -cipher ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA:AES128-GCM-SHA256", []string{"alert handshake failure", "Cipher is (NONE)"}},
		{"-servername a.test -tls1_1 -cipher DEFAULT@SECLEVEL=0", []string{"alert protocol version"}},
		{"-servername ed.test", []string{"Verify return code: 0 (ok)", "Peer signature type: ed25519"}},
		{"-servername a.test -alpn http/1.1,h2", []string{"ALPN protocol: h2"}},
		{"-servername b.test", []string{"unrecognized name", "alert number 112"}},
		{"-servername b.test -tls1_2", []string{"unrecognized name", "alert number 112"}},
		{"-noservername", []string{"Verify return code: 0 (ok)"}},
		{"-servername a.test -groups P-384", []string{"Server Temp Key: ECDH, secp384r1, 384 bits"}},
	} {
		has(t, ask(strings.Fields(c.args)...), c.want...)
	}
	session := filepath.Join(dir, "session.pem")
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		has(t, ask("-servername", "a.test", version, "-sess_out", session), "New, ")
		has(t, ask("-servername", "a.test", version, "-sess_in", session), "Reused, ")
		has(t, ask("-servername", "b.test", version, "-sess_in", session), "alert number 112")
	}
}
