package harness

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"sluice/bench/load"
	"sluice/bench/rivals"
	"sluice/bench/scenarios"
	"sluice/bench/wire"
)

const (
	// readyTimeout is how long a proxy may take from start to first answer.
	readyTimeout = 10 * time.Second
	// readyEvery is how often it is asked.
	readyEvery = 5 * time.Millisecond
	// askTimeout bounds one question.
	askTimeout = time.Second
)

// ask says what is wrong with a proxy's answer; nil when it serves.
type ask func(ctx context.Context) error

// waitReady asks until the answer is right.
func waitReady(ctx context.Context, proxy *rivals.Running, serves ask) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	every := time.NewTicker(readyEvery)
	defer every.Stop()
	for {
		err := serves(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-proxy.Done():
			return fmt.Errorf("ended at start: %w", proxy.Err())
		case <-ctx.Done():
			return fmt.Errorf("does not serve: %w", err)
		case <-every.C:
		}
	}
}

// asker chooses the question that shows that an address serves the scenario.
func asker(sc *scenarios.Scenario, plan rivals.Plan, address string) ask {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		c, err := dial(ctx, secured(sc, plan), address)
		if err != nil {
			return err
		}
		defer c.Close()
		deadline, _ := ctx.Deadline()
		if err := c.SetDeadline(deadline); err != nil {
			return err
		}
		switch {
		case sc.Load.Protocol == load.TCP:
			return echoed(c)
		case sc.Load.Expect == load.Any:
			return answered(c, sc.Load.Host, sc.Load.Path)
		}
		return patterned(c)
	}
}

// secured is what TLS to expect: that of the plan; or of a site of somebody else, with
// whatever certificate it has; nil for none.
func secured(sc *scenarios.Scenario, plan rivals.Plan) *tls.Config {
	switch {
	case plan.TLS != nil:
		roots := x509.NewCertPool()
		if authority, err := os.ReadFile(plan.TLS.CA); err == nil {
			roots.AppendCertsFromPEM(authority)
		}
		return &tls.Config{RootCAs: roots, ServerName: rivals.ServerName, MinVersion: tls.VersionTLS13}
	case sc.Load.TLS != nil:
		return &tls.Config{InsecureSkipVerify: true, ServerName: sc.Load.TLS.ServerName}
	}
	return nil
}

// dial connects.
func dial(ctx context.Context, secure *tls.Config, address string) (net.Conn, error) {
	if secure == nil {
		return new(net.Dialer).DialContext(ctx, "tcp4", address)
	}
	return (&tls.Dialer{Config: secure}).DialContext(ctx, "tcp4", address)
}

// echoed wants its own bytes back.
func echoed(c net.Conn) error {
	said := []byte("is anybody there")
	if _, err := c.Write(said); err != nil {
		return err
	}
	heard := make([]byte, len(said))
	if _, err := io.ReadFull(c, heard); err != nil {
		return err
	}
	if !bytes.Equal(said, heard) {
		return fmt.Errorf("echoes %q", heard)
	}
	return nil
}

// patterned wants one small answer of the stub. A proxy may add fields, so this is
// not a comparison of bytes.
func patterned(c net.Conn) error {
	const size = 8
	if _, err := c.Write(wire.Request(size)); err != nil {
		return err
	}
	answer, body, err := read(c)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || len(body) != size || !wire.Match(body, 0) {
		return fmt.Errorf("answers %s with %q", answer.Status, body[:min(len(body), 80)])
	}
	return nil
}

// answered wants any answer that is no server's error.
func answered(c net.Conn, host, path string) error {
	question := slices.Concat([]byte("GET "), []byte(path), []byte(" HTTP/1.1\r\nHost: "), []byte(host), []byte(wire.HeadEnd))
	if _, err := c.Write(question); err != nil {
		return err
	}
	answer, _, err := read(c)
	if err == nil && answer.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("answers %s", answer.Status)
	}
	return err
}

func read(c net.Conn) (*http.Response, []byte, error) {
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer, body, err
}
