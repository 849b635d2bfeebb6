package cli

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/alecthomas/kong"
)

// TestMain lets the test binary play every role the harness starts: the tools,
// and a stand-in for sluice that understands just its configuration here.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case Verb:
			var verbs struct {
				Bench Commands `cmd:""`
			}
			parsed := kong.Parse(&verbs)
			parsed.FatalIfErrorf(parsed.Run())
			return
		case "version":
			fmt.Println("stand-in", filepath.Base(os.Args[0]))
			return
		case "check":
			standInChecks(os.Args[3])
			return
		case "run":
			standIn(os.Args[3])
			return
		}
	}
	os.Exit(m.Run())
}

var (
	bindLine      = regexp.MustCompile(`bind: .*`)
	quoted        = regexp.MustCompile(`"([^"]+)"`)
	serverPattern = regexp.MustCompile(`- "([^"]+)"`)
)

// read takes from a configuration what the stand-in knows of it.
func read(config string) (text string, binds []string, server string) {
	b, err := os.ReadFile(config)
	if err != nil {
		panic(err)
	}
	text = string(b)
	line, _, _ := strings.Cut(bindLine.FindString(text), "protocol")
	for _, found := range quoted.FindAllStringSubmatch(line, -1) {
		binds = append(binds, found[1])
	}
	return text, binds, serverPattern.FindStringSubmatch(text)[1]
}

// standInChecks knows no TLS and no balancing by time.
func standInChecks(config string) {
	text, _, _ := read(config)
	for _, word := range []string{"tls:", "least_time"} {
		if strings.Contains(text, word) {
			fmt.Fprintf(os.Stderr, "%s:1:1: unknown: %s\n", config, word)
			os.Exit(1)
		}
	}
}

// standIn is a proxy of the protocol that the configuration names. A reload makes it
// listen where it did not before.
func standIn(config string) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	for listening := map[string]bool{}; ; <-hup {
		text, binds, server := read(config)
		for _, bind := range binds {
			if listening[bind] {
				continue
			}
			listening[bind] = true
			l, err := net.Listen("tcp4", bind)
			if err != nil {
				panic(err)
			}
			if strings.Contains(text, "protocol: http") {
				go func() { _ = http.Serve(l, forward(server)) }()
			} else {
				go relayAll(l, server)
			}
		}
	}
}

// forward keeps as many connections to the origin as a scenario of this test has
// clients.
func forward(server string) http.Handler {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server})
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 1000}
	return proxy
}

func relayAll(l net.Listener, server string) {
	for {
		front, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			back, err := net.Dial("tcp4", server)
			if err != nil {
				front.Close()
				return
			}
			go relay(back, front)
			relay(front, back)
		}()
	}
}

// relay passes bytes and the end of the stream in one direction.
func relay(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.(*net.TCPConn).CloseWrite()
}
