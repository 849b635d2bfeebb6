package origin

import (
	"bytes"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/bench/wire"
)

// dial starts an origin on two addresses and connects to the second.
func dial(t *testing.T, opt Options) *net.TCPConn {
	t.Helper()
	stopRead, stopWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	opt.Addresses, opt.Stop = []string{"127.0.2.1", "127.0.2.2"}, int(stopRead.Fd())
	o, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- o.Serve() }()
	c, err := net.Dial("tcp4", net.JoinHostPort("127.0.2.2", strconv.Itoa(o.Port())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		stopWrite.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		o.Close()
		stopRead.Close()
	})
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// TestPipelinedPiecesAndHalfClose: requests torn in the middle, one with a body
// and one with an answer that fills the socket, then a FIN: all answers come,
// then the origin's.
func TestPipelinedPiecesAndHalfClose(t *testing.T) {
	c := dial(t, Options{})
	requests := slices.Concat(wire.Request(60), wire.Post(300_000, 7), wire.Request(8<<20), wire.Post(0, 9), wire.Request(5))
	want := slices.Concat(wire.Answer(60), wire.Answer(7), wire.Answer(8<<20), wire.Answer(9), wire.Answer(5))
	go func() {
		for _, piece := range [][]byte{requests[:10], requests[10:50], requests[50:200], requests[200:]} {
			if _, err := c.Write(piece); err != nil {
				t.Error(err)
			}
		}
		if err := c.CloseWrite(); err != nil {
			t.Error(err)
		}
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes of %d, %v", len(got), len(want), err)
	}
}

func TestNonsenseIsDropped(t *testing.T) {
	damaged := wire.Post(60, 60)
	damaged[len(damaged)-1] ^= 1
	for name, nonsense := range map[string]string{
		"size": "POST /x HTTP/1.1\r\n\r\n", "body": string(damaged), "endless": strings.Repeat("x", maxPartial+1),
		"not forwarded": string(wire.Request(60)),
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, Options{Forwarded: name == "not forwarded"})
			if _, err := c.Write([]byte(nonsense)); err != nil {
				t.Fatal(err)
			}
			if b, _ := io.ReadAll(c); len(b) != 0 {
				t.Errorf("answered %q", b)
			}
		})
	}
}
