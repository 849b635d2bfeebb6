package observe

// The admin server: net/http on goroutines of its own, beside the loops and not on them. It has two doors with the same
// rooms behind them: the admin address, if the configuration names one, and the control socket (control.go).
//
// Whoever uses it badly takes at most one of its connections, for a bounded time: every phase has a timeout, heads and
// bodies have limits, and what is beyond connectionsMax waits in the kernel's backlog. What clients of the proxy see of that is
// nothing.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"sluice/configs"
)

// The bounds of an admin server.
const (
	connectionsMax = 64
	headMax        = 16 << 10 // bytes
	bodyMax        = 4 << 10  // bytes; a command is a few words

	headTimeout  = 5 * time.Second
	readTimeout  = 10 * time.Second // head and body
	writeTimeout = 30 * time.Second // three times what a scraper usually waits
	idleTimeout  = 75 * time.Second // above the usual interval of scrapes, so that they keep their connection
	closeTimeout = 250 * time.Millisecond
)

// Admin is one address of the admin server. It listens once it is open; requests that come before Serve wait.
type Admin struct {
	listener net.Listener
	server   *http.Server
	file     *socketFile // of a unix socket, else nil
	rooms    http.Handler
	guarded  atomic.Pointer[http.Handler] // rooms behind the present guard
	served   sync.WaitGroup
}

// OpenAdmin listens on bind, which is not the zero Address. Without a token, anybody who can connect may use it, so bind must
// be a loopback address or a unix socket then. The file of a unix socket gets the mode 0660, less the umask; one that a
// dead process has left is replaced. Errors wrap the system's own. Trouble later on goes to log.
func OpenAdmin(bind configs.Address, token string, proxy Proxy, log *slog.Logger) (*Admin, error) {
	if token == "" && !private(bind) {
		return nil, errNoToken
	}
	if bind.Network == "unix" {
		const mode = 0o660
		if err := claim(bind.Path, func(net.Conn) error { return inUse(bind.Path) }); err != nil {
			return nil, err
		}
		l, file, err := listenUnix(bind.Path, mode)
		if err != nil {
			return nil, err
		}
		return newAdmin(l, file, proxy, log).guard(token), nil
	}
	l, err := net.Listen("tcp", bind.String())
	if err != nil {
		return nil, err
	}
	return newAdmin(l, nil, proxy, log).guard(token), nil
}

// SetToken replaces the token; requests that come from now on need the new one. The error is that of OpenAdmin.
func (a *Admin) SetToken(bind configs.Address, token string) error {
	if token == "" && !private(bind) {
		return errNoToken
	}
	a.guard(token)
	return nil
}

// guard has everybody bring the token, if there is one. On a unix socket the file's mode says who may come.
func (a *Admin) guard(token string) *Admin {
	guarded := guard(a.rooms, token, token == "" && a.file == nil)
	a.guarded.Store(&guarded)
	return a
}

var errNoToken = errors.New("the admin address needs a token, because other machines can reach it: set admin.token, or bind to 127.0.0.1")

// private tells whether only this machine can reach an address.
func private(bind configs.Address) bool {
	if bind.Network == "unix" {
		return true
	}
	ip, err := netip.ParseAddr(bind.Host)
	return err == nil && ip.Unmap().IsLoopback()
}

// newAdmin returns the server with no guard at its door.
func newAdmin(l net.Listener, file *socketFile, proxy Proxy, log *slog.Logger) *Admin {
	a := &Admin{
		listener: &bounded{Listener: l, slots: make(chan struct{}, connectionsMax), closed: make(chan struct{})},
		file:     file,
		rooms:    newAPI(proxy).handler(),
	}
	a.guarded.Store(&a.rooms)
	a.server = &http.Server{
		Handler:        fresh(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*a.guarded.Load()).ServeHTTP(w, r) })),
		MaxHeaderBytes: headMax, ReadHeaderTimeout: headTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(log.With("at", "admin").Handler(), slog.LevelWarn),
	}
	return a
}

// Serve begins to answer and returns. It is called at most once.
func (a *Admin) Serve() {
	a.served.Go(func() { _ = a.server.Serve(a.listener) })
}

// Address is where it listens: as net.Dial takes it, with the port that the kernel chose.
func (a *Admin) Address() string { return a.listener.Addr().String() }

// Close stops listening and ends all connections; answers under way get a moment to leave. A unix socket's file is removed,
// unless a successor has put its own there.
func (a *Admin) Close() {
	if a.file != nil {
		a.file.remove()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = a.listener.Close() // the server does not know it before Serve
	_ = a.server.Shutdown(ctx)
	_ = a.server.Close()
	a.served.Wait()
}

// bounded is a listener that has at most connectionsMax connections open.
type bounded struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
	admit  func(net.Conn) bool // nil admits everybody
}

// Accept implements net.Listener: it waits for a slot first.
func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.slots <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			<-b.slots
			return nil, err
		}
		if b.admit == nil || b.admit(c) {
			return &slotted{Conn: c, slots: b.slots}, nil
		}
		_ = c.Close()
	}
}

// Close implements net.Listener.
func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// slotted gives its slot back when it is closed.
type slotted struct {
	net.Conn
	slots chan struct{}
	once  sync.Once
}

// Close implements net.Conn.
func (s *slotted) Close() error {
	err := s.Conn.Close()
	s.once.Do(func() { <-s.slots })
	return err
}

// inUse is the error of a socket on which somebody listens.
func inUse(path string) error {
	return fmt.Errorf("unix:%s: %w", path, errInUse)
}
