package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"sluice/engine/exchange"
)

// reading is what a parser made of a head: the same for all parsers, or somebody can smuggle.
type reading struct {
	method, target, host string
	hostField            string // only ours; what fasthttp knows of the host
	status               int
	body                 int64    // of Message.Body's kind
	fields               []string // "name: value", names in lower case, in order; without those that are apart
}

func (r reading) String() string {
	return fmt.Sprintf("%q %q %q %d, %d bytes, %q", r.method, r.target, r.host, r.status, r.body, r.fields)
}

// apart are the fields that a reading has in other places, or that an oracle adds or takes away by itself.
func apart(name string) bool {
	switch strings.ToLower(name) {
	case "host", "content-length", "transfer-encoding", "trailer", "connection", "pragma", "cache-control":
		return true
	}
	return false
}

// ours is the head as the gate read it, dropped fields included: they were read, too. raw is what h was loaded with, where the
// target still is as it came.
func ours(h *exchange.Head, m *Message, raw []byte) reading {
	r := reading{method: string(h.Bytes(h.Method)), host: string(h.Bytes(h.Authority)), status: h.Status, body: m.Body}
	r.hostField = string(h.Value(exchange.Host))
	if h.Status == 0 {
		r.target = strings.Split(string(raw), " ")[1]
	}
	for _, f := range h.Fields() {
		if name := string(h.Bytes(f.Name)); !apart(name) {
			r.fields = append(r.fields, strings.ToLower(name)+": "+string(h.Bytes(f.Value)))
		}
	}
	return r
}

// plainHost makes authorities comparable: net/http takes the target's where there is one, which may differ in case and in a
// default port.
func plainHost(authority string) string {
	host, port, ok := strings.Cut(strings.ToLower(authority), "]")
	if !ok {
		host, port = "", host
	} else {
		host += "]"
	}
	name, number, _ := strings.Cut(port, ":")
	if number == "80" || number == "443" {
		number = ""
	}
	return host + name + ":" + number
}

// byFasthttp reads a request with fasthttp, special fields untouched, so in their order.
func byFasthttp(raw []byte) (reading, error) {
	var h fasthttp.RequestHeader
	h.DisableSpecialHeader() // but with normalizing: without it, "HOST" is no Host
	in := bufio.NewReaderSize(bytes.NewReader(raw), 64<<10)
	if err := h.Read(in); err != nil {
		return reading{}, err
	}
	if left := in.Buffered(); left != 0 {
		return reading{}, fmt.Errorf("%d bytes left", left)
	}
	r := reading{method: string(h.Method()), target: string(h.RequestURI())}
	for name, value := range h.All() {
		switch strings.ToLower(string(name)) {
		case "content-length":
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return r, err
			}
			r.body = n
		case "transfer-encoding":
			r.body = Chunked
		case "host":
			r.host = string(value)
		}
		if !apart(string(name)) {
			r.fields = append(r.fields, strings.ToLower(string(name))+": "+string(value))
		}
	}
	return r, nil
}

// byNetHTTP reads a request with net/http, which keeps the order of repeats only.
func byNetHTTP(raw []byte) (reading, error) {
	in := bufio.NewReaderSize(bytes.NewReader(raw), 64<<10)
	request, err := http.ReadRequest(in)
	if err != nil {
		return reading{}, err
	}
	if left := in.Buffered(); left != 0 {
		return reading{}, fmt.Errorf("%d bytes left", left)
	}
	r := reading{method: request.Method, target: request.RequestURI, host: request.Host, body: request.ContentLength}
	if len(request.TransferEncoding) > 0 {
		r.body = Chunked
	}
	r.fields = headerLines(request.Header)
	return r, nil
}

func headerLines(header http.Header) (list []string) {
	for name, values := range header {
		for _, value := range values {
			if !apart(name) {
				list = append(list, strings.ToLower(name)+": "+value)
			}
		}
	}
	return list
}

// byName sorts fields by name, repeats in their order.
func byName(fields []string) []string {
	list := slices.Clone(fields)
	slices.SortStableFunc(list, func(a, b string) int {
		return strings.Compare(a[:strings.Index(a, ":")], b[:strings.Index(b, ":")])
	})
	return list
}

// withoutCookies leaves out Cookie: fasthttp merges and moves it even when told not to.
func withoutCookies(fields []string) []string {
	return slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return strings.HasPrefix(f, "cookie:") })
}

// agree compares a reading with an oracle's.
func agree(t *testing.T, who string, raw []byte, got, want reading) {
	t.Helper()
	if who == "net/http" {
		want.fields, got.fields = byName(want.fields), byName(got.fields)
	} else {
		want.fields, got.fields = withoutCookies(want.fields), withoutCookies(got.fields)
	}
	if who == "fasthttp" {
		got.host = got.hostField
	}
	got.host, want.host = plainHost(got.host), plainHost(want.host)
	if got.String() != want.String() {
		t.Fatalf("%q\nthe gate reads %v\n%s reads %v", raw, got, who, want)
	}
}

// excused says why an oracle may refuse what the gate accepts.
func excused(who string, h *exchange.Head) string {
	host := bytes.TrimSpace(h.Bytes(h.Authority))
	switch {
	case who == "fasthttp" && len(host) == 0:
		return "fasthttp wants a Host that is not empty"
	case who == "net/http" && h.Has(exchange.Trailer):
		return "net/http refuses some names in Trailer"
	}
	return ""
}

// oracles read raw, which the gate has accepted whole.
func oracles(t *testing.T, raw []byte, h *exchange.Head, m *Message) {
	t.Helper()
	got := ours(h, m, raw)
	for who, read := range map[string]func([]byte) (reading, error){"fasthttp": byFasthttp, "net/http": byNetHTTP} {
		want, err := read(raw)
		if err == nil {
			agree(t, who, raw, got, want)
		} else if excused(who, h) == "" {
			t.Fatalf("%q: accepted, but %s says: %v", raw, who, err)
		}
	}
}

// FuzzRequest: what the gate accepts is exactly one request, the same one, to fasthttp and net/http; and so is what is sent on.
func FuzzRequest(f *testing.F) {
	for _, rule := range requestRules {
		f.Add([]byte(rule.head))
	}
	f.Add(browserHead)
	f.Add(apiHead)
	f.Add([]byte("0000 0 HTTP/1.0\r\n\"0000000000"))                            // refused at once, or only with its line
	f.Add([]byte("T / HTTP/1.1\r\nHOst:a\r\nA:\r\n\r\n"))                       // names are not case-sensitive
	f.Add([]byte("%23 / HTTP/1.1\r\nHost: a\r\n\r\n"))                          // "%" and "#" are letters in a method,
	f.Add([]byte("# / HTTP/1.1\r\nHost: a\r\n\r\n"))                            // not to be escaped
	f.Add([]byte("CONNECT a:3 HTTP/1.1\r\nHost:a\r\nncogdin: chunkEd\r\n\r\n")) // Host without the port
	f.Fuzz(func(t *testing.T, raw []byte) {
		var h exchange.Head
		var m Message
		n, bad := Input{raw, 0, &generous}.ParseRequest(&h, &m)
		if n > 0 && bad != nil || n < 0 || n > len(raw) {
			t.Fatalf("%d bytes and %v", n, bad)
		}
		tornAnywhere(t, raw, parseRequest)
		if n == 0 {
			return
		}
		oracles(t, bytes.TrimPrefix(raw[:n], []byte("\r\n")), &h, &m)

		out := AppendRequest(nil, &h, RequestFraming{Body: m.Body, HasBody: m.Body != 0})
		var again exchange.Head
		var m2 Message
		if n, bad := (Input{out, 0, &Limits{1 << 20, 1000, 1 << 20}}.ParseRequest(&again, &m2)); n != len(out) {
			// A 1.0 request without Host is sent on with an empty one, as HTTP/1.1 demands.
			if bad == emptyHost.inRequest() && m.Version == 10 && len(h.Bytes(h.Authority)) == 0 {
				return
			}
			t.Fatalf("%q sent as %q: %v", raw, out, bad)
		}
		oracles(t, out, &again, &m2)
		sameMessage(t, &h, &again, m.Body, m2.Body)
	})
}

// sameMessage compares what was to be sent with what was read from it.
func sameMessage(t *testing.T, sent, read *exchange.Head, body, readBody int64) {
	t.Helper()
	left, right := kept(sent), kept(read)
	same := bytes.Equal(sent.Bytes(sent.Method), read.Bytes(read.Method)) && bytes.Equal(sent.Bytes(sent.Target), read.Bytes(read.Target)) &&
		sent.Status == read.Status && body == readBody && slices.Equal(left, right) &&
		plainHost(string(sent.Bytes(sent.Authority))) == plainHost(string(read.Bytes(read.Authority)))
	if !same {
		t.Fatalf("sent %d %q\n%s\nread %d %q\n%s", body, left, dump(sent), readBody, right, dump(read))
	}
}

func kept(h *exchange.Head) (list []string) {
	for _, f := range h.Fields() {
		if name := string(h.Bytes(f.Name)); !f.Gone && !apart(name) {
			list = append(list, name+": "+string(h.Bytes(f.Value)))
		}
	}
	return list
}

// tornAnywhere cuts at a few places that depend on the bytes.
func tornAnywhere(t *testing.T, raw []byte, parse func([]byte, int, *Limits) (int, *Bad, string)) {
	t.Helper()
	_, _, want := parse(raw, 0, &generous)
	for cut := 1; cut < len(raw); cut += 1 + len(raw)/16 {
		n, bad, got := parse(raw[:cut], 0, &generous)
		if n == 0 && bad == nil {
			_, _, got = parse(raw, cut, &generous)
		}
		if got != want {
			t.Fatalf("%q cut at %d: %s\nwhole: %s", raw, cut, got, want)
		}
	}
}

// byNetHTTPAnswer reads an answer with net/http.
func byNetHTTPAnswer(raw []byte, method string) (reading, error) {
	in := bufio.NewReaderSize(bytes.NewReader(raw), 64<<10)
	answer, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		return reading{}, err
	}
	if left := in.Buffered(); left != 0 {
		return reading{}, fmt.Errorf("%d bytes left", left)
	}
	r := reading{status: answer.StatusCode, body: answer.ContentLength}
	switch {
	case len(answer.TransferEncoding) > 0 && answer.Body != http.NoBody:
		r.body = Chunked
	case answer.Body == http.NoBody:
		r.body = 0
	case r.body < 0:
		r.body = UntilClose
	}
	r.fields = headerLines(answer.Header)
	return r, nil
}

// byFasthttpAnswer reads the status and the length with fasthttp; its fields are merged and moved.
func byFasthttpAnswer(raw []byte) (status int, body int64, err error) {
	var h fasthttp.ResponseHeader
	in := bufio.NewReaderSize(bytes.NewReader(raw), 64<<10)
	if err := h.Read(in); err != nil {
		return 0, 0, err
	}
	if left := in.Buffered(); left != 0 {
		return 0, 0, fmt.Errorf("%d bytes left", left)
	}
	return h.StatusCode(), int64(h.ContentLength()), nil
}

// FuzzResponse is FuzzRequest for answers.
func FuzzResponse(f *testing.F) {
	for _, rule := range answerRules {
		f.Add([]byte(rule.head), false)
	}
	f.Add(answerHead, true)
	f.Add([]byte("HTTP/1.0 100 \r\n "), false)
	f.Fuzz(func(t *testing.T, raw []byte, head bool) {
		asked, method := AskedAny, "GET"
		if head {
			asked, method = AskedHead, "HEAD"
		}
		var h exchange.Head
		var m Message
		n, bad := Input{raw, 0, &generous}.ParseResponse(asked, &h, &m)
		if n > 0 && bad != nil || n < 0 || n > len(raw) {
			t.Fatalf("%d bytes and %v", n, bad)
		}
		tornAnywhere(t, raw, parseAnswer)
		if n == 0 {
			return
		}
		answerOracles(t, raw[:n], method, &h, &m)
		out := AppendResponse(nil, &h, ResponseFraming{Version: 11, Body: m.Body, NoBody: head || h.Status == 304})
		var again exchange.Head
		var m2 Message
		if n, bad := (Input{out, 0, &Limits{1 << 20, 1000, 1 << 20}}.ParseResponse(asked, &again, &m2)); n != len(out) {
			t.Fatalf("%q sent as %q: %v", raw, out, bad)
		}
		answerOracles(t, out, method, &again, &m2)
		sameMessage(t, &h, &again, m.Body, m2.Body)
	})
}

func answerOracles(t *testing.T, raw []byte, method string, h *exchange.Head, m *Message) {
	t.Helper()
	want, err := byNetHTTPAnswer(raw, method)
	switch {
	case err == nil:
		agree(t, "net/http", raw, ours(h, m, raw), want)
	case !h.Has(exchange.Trailer):
		t.Fatalf("%q: accepted, but net/http says: %v", raw, err)
	}
	status, body, err := byFasthttpAnswer(raw)
	if err == nil && (status != h.Status || m.Body > 0 && body != m.Body || m.Body == Chunked && body != -1) {
		t.Fatalf("%q: %d with %d bytes, fasthttp says %d with %d", raw, h.Status, m.Body, status, body)
	}
}
