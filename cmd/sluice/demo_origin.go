package main

// The demo's origins: ordinary small web servers, each of which says who it is, so that what the proxy in front does
// can be seen.
//
//	/         a page for browsers, a line of text for everybody else
//	/headers  the request as it came in, X-Forwarded-For and all
//	/slow     a line each second
//	/big      256 MiB

import (
	_ "embed"
	"fmt"
	"html"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	bigSize   = 256 << 20 // bytes of /big
	slowLines = 5         // of /slow, a second apart
)

//go:embed demo.html
var demoPage string

// demoOrigin is one of them.
type demoOrigin struct {
	name    string
	address string
	server  *http.Server
}

// startOrigin starts an origin on a free port of the loopback interface; close ends it.
func startOrigin(name string) (*demoOrigin, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &demoOrigin{name: name, address: l.Addr().String()}
	mux := http.NewServeMux()
	mux.HandleFunc("/", o.hello)
	mux.HandleFunc("/headers", o.headers)
	mux.HandleFunc("/slow", o.slow)
	mux.HandleFunc("/big", o.big)
	o.server = &http.Server{Handler: o.named(mux), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	go func() { _ = o.server.Serve(l) }()
	return o, nil
}

func (o *demoOrigin) close() { _ = o.server.Close() }

// named has every answer say who gave it.
func (o *demoOrigin) named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Origin", o.name)
		next.ServeHTTP(w, r)
	})
}

// hello answers with a page where a browser asks, else with one line.
func (o *demoOrigin) hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	w.Header().Set("Cache-Control", "no-store")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, o.page(r))
		return
	}
	fmt.Fprintf(w, "Hello from origin %s. You asked for %s.\n", o.name, r.URL.Path)
}

// page fills the page in: what the proxy has added comes first.
func (o *demoOrigin) page(r *http.Request) string {
	var added, sent strings.Builder
	for _, f := range fields(r) {
		row := fmt.Sprintf("<th>%s<td>%s\n", html.EscapeString(f[0]), html.EscapeString(f[1]))
		if strings.HasPrefix(f[0], "X-Forwarded-") {
			added.WriteString("<tr class=proxy>" + row)
		} else {
			sent.WriteString("<tr>" + row)
		}
	}
	return strings.NewReplacer(
		"{name}", o.name, "{address}", o.address, "{host}", html.EscapeString(r.Host), "{rows}", added.String()+sent.String(),
	).Replace(demoPage)
}

// headers repeats the head of the request.
func (o *demoOrigin) headers(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s %s\n", r.Method, r.RequestURI, r.Proto)
	for _, f := range fields(r) {
		fmt.Fprintf(w, "%s: %s\n", f[0], f[1])
	}
}

// fields are the request's, Host first and the others by name.
func fields(r *http.Request) [][2]string {
	all := [][2]string{{"Host", r.Host}}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, value := range r.Header[name] {
			all = append(all, [2]string{name, value})
		}
	}
	return all
}

// slow sends a line each second, until it has sent all or nobody listens any more.
func (o *demoOrigin) slow(w http.ResponseWriter, r *http.Request) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for n := 1; n <= slowLines; n++ {
		fmt.Fprintf(w, "origin %s, line %d of %d\n", o.name, n, slowLines)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// big sends bytes without a meaning, and says before how many.
func (o *demoOrigin) big(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(bigSize))
	chunk := make([]byte, 1<<20)
	for sent := 0; sent < bigSize; sent += len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}
