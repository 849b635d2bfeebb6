package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"sluice/engine/exchange"
)

var chunkRules = []struct {
	name string
	wire string
	want fault
}{
	{"empty", "0\r\n\r\n", fine},
	{"one chunk", "5\r\nhello\r\n0\r\n\r\n", fine},
	{"two chunks", "5\r\nhello\r\nA\r\n0123456789\r\n000\r\n\r\n", fine},
	{"16 digits", "0000000000000001\r\na\r\n0\r\n\r\n", fine},
	{"17 digits", "00000000000000001\r\na\r\n0\r\n\r\n", hugeChunk},
	{"2^63", "8000000000000000\r\n", hugeChunk},
	{"no size", "\r\n", badChunkSize},
	{"space before size", " 5\r\nhello\r\n0\r\n\r\n", badChunkSize},
	{"space behind size", "5 \r\nhello\r\n0\r\n\r\n", badChunkSize},
	{"sign", "+5\r\nhello\r\n0\r\n\r\n", badChunkSize},
	{"prefix", "0x5\r\nhello\r\n0\r\n\r\n", badChunkSize},
	{"underscore", "1_0\r\n", badChunkSize},
	{"NUL in size", "5\x00\r\n", nulByte},
	{"LF ends size", "5\nhello\r\n0\r\n\r\n", bareLF},
	{"CR ends size", "5\rhello\r\n0\r\n\r\n", bareCR},
	{"extension", "5;a\r\nhello\r\n0;b=c;d=\"e;\\\"\\\\ f\"\r\n\r\n", fine},
	{"extension with blanks", "5;\ta = b ; c\r\nhello\r\n0\r\n\r\n", fine},
	{"blank before extension", "5 ;a\r\nhello\r\n0\r\n\r\n", badChunkSize},
	{"extension without name", "5;\r\n", badExtension},
	{"extension without value", "5;a=\r\n", badExtension},
	{"extension with trailing blank", "5;a \r\n", badExtension},
	{"extension with separator", "5;a,b\r\n", badExtension},
	{"open quotes", "5;a=\"b\r\n", badExtension},
	{"text behind quotes", "5;a=\"b\"c\r\n", badExtension},
	{"LF in extension", "5;a\nhello", bareLF},
	{"LF in quotes", "5;a=\"\nb\"\r\n", bareLF},
	{"control byte in extension", "5;a=\x01\r\n", controlByte},
	{"extension of 256", "5;" + strings.Repeat("a", 255) + "\r\nhello\r\n0\r\n\r\n", fine},
	{"extension of 257", "5;" + strings.Repeat("a", 256) + "\r\n", longExtension},
	{"16 KiB of extensions", strings.Repeat("1;"+strings.Repeat("a", 255)+"\r\na\r\n", 64) + "0\r\n\r\n", fine},
	{"more extensions", strings.Repeat("1;"+strings.Repeat("a", 255)+"\r\na\r\n", 66), manyExtensions},
	{"data pays for them", strings.Repeat("80;"+strings.Repeat("a", 255)+"\r\n"+strings.Repeat("d", 128)+"\r\n", 100) + "0\r\n\r\n", fine},
	{"data too long", "5\r\nhello!\r\n0\r\n\r\n", badChunkEnd},
	{"data too short", "5\r\nhell\r\n0\r\n\r\n", badChunkEnd},
	{"LF behind data", "5\r\nhello\n0\r\n\r\n", badChunkEnd},
	{"CR behind data", "5\r\nhello\r0\r\n\r\n", badChunkEnd},
	{"LF ends body", "0\r\n\n", bareLF},
	{"CR ends body", "0\r\n\ra", bareCR},

	{"trailer", "0\r\nA: b\r\nC:\r\n\r\n", fine},
	{"folded trailer", "0\r\nA: b\r\n c\r\n\r\n", foldedLine},
	{"space before colon in trailer", "0\r\nA : b\r\n\r\n", spaceBeforeColon},
	{"trailer without name", "0\r\n: b\r\n\r\n", emptyName},
	{"trailer without colon", "0\r\nA\r\n\r\n", noColon},
	{"trailer with bad name", "0\r\nA(: b\r\n\r\n", badName},
	{"NUL in trailer", "0\r\nA: b\x00\r\n\r\n", nulByte},
	{"LF ends trailer", "0\r\nA: b\n\r\n", bareLF},
	{"CR in trailer", "0\r\nA: b\rc\r\n\r\n", bareCR},
	{"32 trailers", "0\r\n" + strings.Repeat("A: b\r\n", 32) + "\r\n", fine},
	{"33 trailers", "0\r\n" + strings.Repeat("A: b\r\n", 33) + "\r\n", manyTrailers},
	{"trailers of 8 KiB", "0\r\nA: " + strings.Repeat("b", 8192-7) + "\r\n\r\n", fine},
	{"trailers of 8 KiB and 1", "0\r\nA: " + strings.Repeat("b", 8192-6) + "\r\n\r\n", longTrailer},
}

// decode feeds wire in pieces of step bytes and returns the data, the bytes taken, and the verdict.
func decode(d *Decoder, wire []byte, step int) (data []byte, taken int, verdict string) {
	for at := 0; at < len(wire); {
		piece := wire[at:min(at+step, len(wire))]
		for len(piece) > 0 {
			got, n, done, bad := d.Next(piece)
			if bad != nil {
				return data, 0, fmt.Sprintf("%v: %s", bad.Reason, bad.Detail)
			}
			data = append(data, got...)
			at += n
			if done {
				return data, at, "done"
			}
			if n == 0 {
				panic("nothing taken and not done")
			}
			piece = piece[n:]
		}
	}
	return data, len(wire), "partial"
}

func TestChunkRules(t *testing.T) {
	for _, rule := range chunkRules {
		wire := []byte(rule.wire + "more")
		want := "done"
		if bad := rule.want.inRequest(); bad != nil {
			want = fmt.Sprintf("%v: %s", bad.Reason, bad.Detail)
			wire = wire[:len(rule.wire)]
		}
		for step := 1; step <= len(wire); step += 1 + step/32 {
			var trailers exchange.Head
			_, taken, got := decode(&Decoder{Trailers: &trailers}, wire, step)
			if got != want || want == "done" && taken != len(rule.wire) {
				t.Errorf("%s in pieces of %d: %s after %d of %d bytes, want %s", rule.name, step, got, taken, len(rule.wire), want)
			}
			if _, _, got := decode(new(Decoder), wire, step); got != want {
				t.Errorf("%s in pieces of %d, trailers unwanted: %s, want %s", rule.name, step, got, want)
			}
		}
	}
}

func TestChunkedAnswer(t *testing.T) {
	d := Decoder{Answer: true}
	_, _, _, bad := d.Next([]byte("x"))
	if want := badChunkSize.inAnswer(); bad != want {
		t.Errorf("got %v, want %v", bad, want)
	}
	if _, n, done, again := d.Next([]byte("0\r\n\r\n")); n != 0 || done || again != bad {
		t.Errorf("the fault was forgotten: %d %v %v", n, done, again)
	}
	d.Reset()
	if _, n, done, bad := d.Next([]byte("0\r\n\r\nHTTP/1.1 200 OK")); n != 5 || !done || bad != nil {
		t.Errorf("after Reset: %d %v %v", n, done, bad)
	}
	if _, n, done, bad := d.Next([]byte("HTTP/1.1")); n != 0 || !done || bad != nil {
		t.Errorf("behind the end: %d %v %v", n, done, bad)
	}
}

func TestChunkTaken(t *testing.T) {
	var d Decoder
	data, n, _, _ := d.Next([]byte("a\r\n01"))
	if string(data) != "01" || n != 5 || d.Left() != 8 {
		t.Fatalf("data %q, %d taken, %d left", data, n, d.Left())
	}
	d.Taken(8)
	if _, n, done, bad := d.Next([]byte("\r\n0\r\n\r\n")); n != 7 || !done || bad != nil {
		t.Errorf("behind the data: %d %v %v", n, done, bad)
	}
}

func TestTrailers(t *testing.T) {
	const wire = "0\r\nX-Sum:  a b \t\r\nContent-Length: 5\r\nHost: b\r\nAuthorization: c\r\nSet-Cookie: d\r\nConnection: e\r\n" +
		"X-Forwarded-For: f\r\nX_Sum: g\r\ngrpc-status: 0\r\nTransfer-Encoding: chunked\r\nX-Sum:\r\n\r\n"
	for step := 1; step <= len(wire); step++ {
		var trailers exchange.Head
		d := Decoder{Trailers: &trailers}
		if _, _, got := decode(&d, []byte(wire), step); got != "done" {
			t.Fatal(got)
		}
		const want = "0\r\nX-Sum: a b\r\ngrpc-status: 0\r\nX-Sum: \r\n\r\n"
		if got := string(AppendTrailers(nil, &trailers)); got != want {
			t.Fatalf("in pieces of %d: %q, want %q", step, got, want)
		}
	}
	if got := string(AppendTrailers(nil, nil)); got != "0\r\n\r\n" {
		t.Errorf("without trailers: %q", got)
	}
}

func TestAppendChunkHead(t *testing.T) {
	for _, n := range []int{1, 15, 16, 255, 4096, 65536, 1<<63 - 1} {
		if got, want := string(AppendChunkHead(nil, n)), fmt.Sprintf("%x\r\n", n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// stdChunked is a body as net/http reads it.
func stdChunked(wire []byte) (data []byte, trailer http.Header, err error) {
	head := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	answer, err := http.ReadResponse(bufio.NewReaderSize(io.MultiReader(strings.NewReader(head), bytes.NewReader(wire)), 64<<10), nil)
	if err != nil {
		return nil, nil, err
	}
	data, err = io.ReadAll(answer.Body)
	return data, answer.Trailer, err
}

// FuzzChunked: any cut gives the same data, net/http reads the same, and what is written again is read again.
func FuzzChunked(f *testing.F) {
	for _, rule := range chunkRules {
		f.Add([]byte(rule.wire), 3)
	}
	f.Fuzz(func(t *testing.T, wire []byte, step int) {
		var trailers, again exchange.Head
		data, taken, verdict := decode(&Decoder{Trailers: &trailers, Answer: true}, wire, max(len(wire), 1))
		torn, tornTaken, tornVerdict := decode(&Decoder{Trailers: &again, Answer: true}, wire, max(step%64, 1))
		if verdict != tornVerdict || taken != tornTaken || verdict == "done" && !bytes.Equal(data, torn) {
			t.Fatalf("whole: %s after %d, %q\ntorn: %s after %d, %q", verdict, taken, data, tornVerdict, tornTaken, torn)
		}
		if verdict != "done" {
			return
		}
		std, _, err := stdChunked(wire)
		if err != nil || !bytes.Equal(std, data) {
			t.Fatalf("got %q, net/http says %q, %v", data, std, err)
		}
		out := []byte{}
		if len(data) > 0 {
			out = append(append(AppendChunkHead(out, len(data)), data...), '\r', '\n')
		}
		out = AppendTrailers(out, &trailers)
		std, trailer, err := stdChunked(out)
		if err != nil || !bytes.Equal(std, data) {
			t.Fatalf("written anew as %q, net/http says %q, %v", out, std, err)
		}
		kept := 0
		for _, values := range trailer {
			kept += len(values)
		}
		if kept != len(trailers.Fields()) {
			t.Fatalf("%d trailers, net/http says %v", len(trailers.Fields()), trailer)
		}
	})
}
