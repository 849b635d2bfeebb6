package engine

import (
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sluice/configs"
	"sluice/internal/assert"
)

func TestExplainBind(t *testing.T) {
	t.Parallel()
	tcp := configs.Address{Network: "tcp", Host: "10.0.0.1", Port: 443}
	path := configs.Address{Network: "unix", Path: "/run/s.sock"}
	for _, c := range []struct {
		bind          configs.Address
		err           error
		message, hint string
	}{
		{tcp, unix.EADDRINUSE, "address 10.0.0.1:443 is in use", "ss -ltnp 'sport = :443'"},
		{path, unix.EADDRINUSE, "unix:/run/s.sock is in use", "another path"},
		{tcp, unix.EACCES, "no permission to bind 10.0.0.1:443", "CAP_NET_BIND_SERVICE"},
		{path, unix.EACCES, "no permission to listen on unix:/run/s.sock", "the folder /run"},
		{path, unix.ENOENT, "cannot listen on unix:/run/s.sock: its folder does not exist", "create the folder /run"},
		{tcp, unix.EMFILE, "no descriptor left to listen on 10.0.0.1:443", "ulimit -n"},
		{tcp, unix.EADDRNOTAVAIL, "this machine has no address 10.0.0.1", "ip addr"},
		{path, unix.EEXIST, "unix:/run/s.sock exists and is not a socket", "remove the file"},
		{tcp, unix.ENOMEM, "cannot listen on 10.0.0.1:443: cannot allocate memory", ""},
	} {
		wrapped := error(c.err)
		if errno, ok := c.err.(unix.Errno); ok {
			wrapped = &net.OpError{Op: "bind", Err: errno}
		}
		for _, err := range []error{c.err, wrapped} {
			message, hint := explainBind(c.bind, err)
			if !strings.HasPrefix(message, strings.SplitN(c.message, ": ", 2)[0]) || !strings.Contains(hint, c.hint) {
				t.Errorf("%v: got %q, %q", c.err, message, hint)
			}
		}
		if message, _ := explainBind(c.bind, c.err); !strings.HasPrefix(message, c.message) {
			t.Errorf("%v: got %q", c.err, message)
		}
	}
}

func TestListenAddr(t *testing.T) {
	t.Parallel()
	for text, want := range map[configs.Address]string{
		{Network: "tcp", Host: "127.0.0.1", Port: 80}:        "127.0.0.1:80",
		{Network: "tcp", Host: "::1", Port: 80}:              "[::1]:80",
		{Network: "tcp", Host: "::ffff:127.0.0.1", Port: 80}: "127.0.0.1:80",
	} {
		at, err := listenAddr(text)
		assert.NoError(t, err)
		assert.Equal(t, at.Addr.String(), want)
		assert.Equal(t, at.Dual, false)
	}
	at, err := listenAddr(configs.Address{Network: "tcp", Port: 80})
	assert.NoError(t, err)
	assert.Equal(t, at.Addr.Addr().IsUnspecified(), true)
	assert.Equal(t, at.Dual, at.Addr.Addr().Is6())
	at, err = listenAddr(configs.Address{Network: "unix", Path: "/s"})
	assert.NoError(t, err)
	assert.Equal(t, at.Path, "/s")
}

// Check opens nothing, and reports what it finds in every upstream, at once. The names are reserved for not existing
// (RFC 2606, section 2).
func TestCheckReportsEverything(t *testing.T) {
	t.Parallel()
	cfg, err := configs.Parse("test.yaml", []byte(`
listeners:
  web: {bind: "127.0.0.1:1", protocol: tcp, upstream: app}
  db: {bind: "127.0.0.1:2", protocol: tcp, upstream: data}
upstreams:
  app:
    servers:
      - "localhost:80"
      - "no-such-host.invalid:80"
  data: {servers: ["other-host.invalid:80"]}
`))
	assert.NoError(t, err)
	err = Check(cfg)
	if err == nil {
		t.Fatal("nothing was found")
	}
	for _, want := range []string{
		"test.yaml:9:9: the name no-such-host.invalid does not resolve", "test.yaml:10:20: the name other-host.invalid does not resolve",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
}

func TestCheckOfAGoodConfiguration(t *testing.T) {
	t.Parallel()
	assert.NoError(t, Check(parse(t, "127.0.0.1:80", "127.0.0.1:1")))
}
