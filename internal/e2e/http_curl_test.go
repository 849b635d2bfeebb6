package e2e

// What curl sees: an ordinary client's every way to ask.

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/assert"
)

// curlSite answers in one line with what it has been asked; some paths have ways of their own.
func curlSite(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/file":
		http.ServeContent(w, r, "", time.Unix(1e9, 0), strings.NewReader(string(pattern(0, 10_000))))
	case "/refused":
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case "/parts":
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "part one, ")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "part two")
		w.Header().Set("X-Sum", "17")
	default:
		hash := sha256.New()
		n, err := io.Copy(hash, r.Body)
		fmt.Fprintf(w, "%s %s %s, length %d, coding %v, %d bytes %x %v", r.Method, r.RequestURI, r.Proto, r.ContentLength, r.TransferEncoding,
			n, hash.Sum(nil)[:4], err)
	}
}

// curlTo runs curl with the last argument a path at the proxy.
func (p *proxy) curlTo(path string, args ...string) string {
	p.t.Helper()
	return outputOf(p.t, "curl", append(append([]string{"-sS"}, args...), "http://"+p.addr(1)+path)...)
}

// patternFile is a file with n bytes of the pattern, and what curlSite says of them.
func patternFile(t testing.TB, n int) (path, said string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "body")
	body := pattern(0, n)
	assert.NoError(t, os.WriteFile(path, body, 0o644))
	sum := sha256.Sum256(body)
	return path, fmt.Sprintf("%d bytes %x <nil>", n, sum[:4])
}

// has checks that a text has all of the parts.
func has(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Fatalf("%q\nis not in\n%.2000s", part, text)
		}
	}
}

func TestHTTPCurl(t *testing.T) {
	t.Parallel()
	tool(t, "curl")
	p := run(t, web, site(t, curlSite).address)

	t.Run("GET", func(t *testing.T) {
		has(t, p.curlTo("/path?a=b&c", "-i"), "HTTP/1.1 200 OK\r\n", "\r\n\r\nGET /path?a=b&c HTTP/1.1, length 0")
		line := p.ends("done")
		assert.Equal(t, line.Method+" "+line.Target+" "+line.Version, "GET /path?a=b&c HTTP/1.1")
		assert.Equal(t, []int{line.Status, line.UpstreamStatus, line.Request, line.Attempts}, []int{200, 200, 1, 1})
		assert.Equal(t, line.Host, p.addr(1))
	})
	t.Run("HEAD", func(t *testing.T) {
		has(t, p.curlTo("/file", "-I"), "HTTP/1.1 200 OK\r\n", "Content-Length: 10000\r\n", "Last-Modified: ")
		assert.Equal(t, p.ends("done").Down, int64(0))
	})
	t.Run("POST", func(t *testing.T) {
		file, said := patternFile(t, 100<<10)
		has(t, p.curlTo("/", "--data-binary", "@"+file), "POST / HTTP/1.1, length 102400, coding [], "+said)
		assert.Equal(t, p.ends("done").Up, int64(100<<10))
	})
	t.Run("PUT chunked", func(t *testing.T) {
		file, said := patternFile(t, 3*mebibyte)
		has(t, p.curlTo("/put", "-T", file, "-H", "Transfer-Encoding: chunked"), "PUT /put HTTP/1.1, length -1, coding [chunked], "+said)
		assert.Equal(t, p.ends("done").Up, int64(3*mebibyte))
	})
	t.Run("range", func(t *testing.T) {
		out := p.curlTo("/file", "-i", "-r", "100-199")
		has(t, out, "HTTP/1.1 206 Partial Content\r\n", "Content-Range: bytes 100-199/10000\r\n", "\r\n\r\n"+string(pattern(100, 100)))
		p.ends("done")
	})
	t.Run("condition", func(t *testing.T) {
		out := p.curlTo("/file", "-i", "-H", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT")
		has(t, out, "HTTP/1.1 304 Not Modified\r\n")
		assert.Equal(t, strings.HasSuffix(out, "\r\n\r\n"), true)
		assert.Equal(t, p.ends("done").Status, 304)
	})
	t.Run("trailers", func(t *testing.T) {
		out := p.curlTo("/parts", "--http1.1", "-i", "-H", "TE: trailers", "-H", "Connection: TE")
		has(t, out, "Transfer-Encoding: chunked\r\n", "Trailer: X-Sum\r\n", "part one, part two", "X-Sum: 17\r\n")
		p.ends("done")
	})
	t.Run("HTTP/1.0", func(t *testing.T) {
		out := p.curlTo("/parts", "-0", "-i")
		has(t, out, " 200 OK\r\n", "\r\n\r\npart one, part two")
		assert.Equal(t, strings.Contains(out, "chunked"), false)
		assert.Equal(t, p.ends("done").Version, "HTTP/1.0")
	})
}

// One connection carries many requests, and the server's is used again.
func TestHTTPCurlReuses(t *testing.T) {
	t.Parallel()
	p := run(t, web, site(t, curlSite).address)
	at := "http://" + p.addr(1)
	out := outputOf(t, "curl", "-sS", "-w", "\n%{num_connects}\n", at+"/file", at+"/parts", at+"/3")
	assert.Equal(t, strings.Count(out, "\n1\n"), 1)
	assert.Equal(t, strings.Count(out, "\n0\n"), 2)
	for n := 1; n <= 3; n++ {
		line := p.ends("done")
		assert.Equal(t, line.Request, n)
		assert.Equal(t, line.Reused, n > 1)
	}
}

// A client that asks before it sends is told by the server itself, one way or the other.
func TestHTTPCurlExpects(t *testing.T) {
	t.Parallel()
	p := run(t, web, site(t, curlSite).address)
	file, said := patternFile(t, 5*mebibyte)
	out := p.curlTo("/", "-v", "--expect100-timeout", "10", "-H", "Expect: 100-continue", "--data-binary", "@"+file)
	has(t, out, "< HTTP/1.1 100 Continue\r\n", "< HTTP/1.1 200 OK\r\n", said)
	assert.Equal(t, p.ends("done").Up, int64(5*mebibyte))

	out = p.curlTo("/refused", "-w", "%{http_code} %{size_upload}", "--expect100-timeout", "10", "-H", "Expect: 100-continue",
		"--data-binary", "@"+file)
	assert.Equal(t, out, "413 0")
	line := p.ends("done")
	assert.Equal(t, line.Up, int64(0))
	assert.Equal(t, line.Status, 413)
}
