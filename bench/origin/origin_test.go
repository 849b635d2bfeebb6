package origin

import (
	"bytes"
	"io"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"sluice/bench/wire"
)

// dial starts an origin on two addresses and connects to the second.
func dial(t *testing.T) *net.TCPConn {
	t.Helper()
	stopRead, stopWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	o, err := New(Options{Addresses: []string{"127.0.2.1", "127.0.2.2"}, Stop: int(stopRead.Fd())})
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

// TestPipelinedPiecesAndHalfClose: three requests torn in the middle, large
// enough to fill the socket, then a FIN: all answers come, then the origin's.
func TestPipelinedPiecesAndHalfClose(t *testing.T) {
	c := dial(t)
	sizes := []int{60, 8 << 20, 5}
	var requests, want []byte
	for _, size := range sizes {
		requests = append(requests, wire.Request(size)...)
		want = append(want, wire.Answer(size)...)
	}
	for _, piece := range [][]byte{requests[:10], requests[10:50], requests[50:]} {
		if _, err := c.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes of %d, %v", len(got), len(want), err)
	}
}

func TestNonsenseIsDropped(t *testing.T) {
	c := dial(t)
	if _, err := c.Write([]byte("POST /x HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(c); len(b) != 0 {
		t.Errorf("answered %q", b)
	}
}
