package e2e

// nginx behind the proxy: what most users have there.

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/assert"
)

// fileSizes are those of the files that nginx serves: in one packet with the head, in one buffer, in several, and many.
var fileSizes = []int{60, 10 << 10, 100 << 10, 10 * mebibyte}

// nginxFiles runs nginx with a folder of files and returns its address.
func nginxFiles(t testing.TB, more string) string {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	assert.NoError(t, os.Chmod(dir, 0o755))
	for _, size := range fileSizes {
		assert.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(size)), pattern(0, size), 0o644))
	}
	nginx(t, dir, fmt.Sprintf(`keepalive_requests 100000;
server { listen 127.0.0.1:%d backlog=4096; root %s; %s }`, port, dir, more))
	answersAt(t, loopback(port))
	return loopback(port)
}

// sumOf is the hash of a file.
func sumOf(t testing.TB, path string) [32]byte {
	t.Helper()
	content, err := os.ReadFile(path)
	assert.NoError(t, err)
	return sha256.Sum256(content)
}

// Files of every size arrive byte by byte, over one connection to either side.
func TestHTTPNginxFiles(t *testing.T) {
	t.Parallel()
	tool(t, "curl")
	p := run(t, web, nginxFiles(t, ""))
	out := t.TempDir()
	var args []string
	for round := range 3 {
		for _, size := range fileSizes {
			args = append(args, "-o", fmt.Sprintf("%s/%d-%d", out, round, size), fmt.Sprintf("http://%s/%d", p.addr(1), size))
		}
	}
	assert.Equal(t, outputOf(t, "curl", append(args, "-sS", "-w", "%{num_connects}")...), "1"+strings.Repeat("0", 3*len(fileSizes)-1))
	for round := range 3 {
		for _, size := range fileSizes {
			if sumOf(t, fmt.Sprintf("%s/%d-%d", out, round, size)) != sha256.Sum256(pattern(0, size)) {
				t.Errorf("%d bytes arrive changed in round %d", size, round)
			}
			line := p.ends("done")
			assert.Equal(t, line.Down, int64(size))
			assert.Equal(t, line.Reused, round > 0 || size != fileSizes[0])
		}
	}
}

// What nginx compresses is passed on as it is: chunked, and with its fields.
func TestHTTPNginxGzip(t *testing.T) {
	t.Parallel()
	tool(t, "curl")
	address := nginxFiles(t, "gzip on; gzip_types text/plain; gzip_min_length 1; gzip_comp_level 1;")
	p := run(t, web, address)
	for _, size := range fileSizes {
		raw := outputOf(t, "curl", "-sS", "-H", "Accept-Encoding: gzip", fmt.Sprintf("http://%s/%d", address, size))
		passed := p.curlTo(fmt.Sprintf("/%d", size), "-H", "Accept-Encoding: gzip")
		assert.Equal(t, sha256.Sum256([]byte(passed)), sha256.Sum256([]byte(raw)))
		assert.Equal(t, p.ends("done").Down, int64(len(raw)))
		head := p.curlTo(fmt.Sprintf("/%d", size), "-D", "-", "-o", "/dev/null", "-H", "Accept-Encoding: gzip")
		has(t, head, "Content-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\n", "ETag: W/")
		p.ends("done")
		file := filepath.Join(p.dir, "plain")
		p.curlTo(fmt.Sprintf("/%d", size), "--compressed", "-o", file)
		assert.Equal(t, sumOf(t, file), sha256.Sum256(pattern(0, size)))
		p.ends("done")
	}
}

// Ranges of many parts, conditions, and errors are nginx's own.
func TestHTTPNginxSpeaksForItself(t *testing.T) {
	t.Parallel()
	tool(t, "curl")
	address := nginxFiles(t, "location = /gone { return 410; }")
	p := run(t, web, address)
	for _, args := range [][]string{
		{"/10240", "-r", "0-9,100-109"},
		{"/10240", "-r", "20000-"},
		{"/nothing"},
		{"/gone"},
		{"/60", "-X", "DELETE"},
		{"/60", "-I"},
	} {
		args, path := append([]string{"-sS", "-i"}, args[1:]...), args[0]
		direct := strings.Split(outputOf(t, "curl", append(args, "http://"+address+path)...), "\r\n")
		passed := strings.Split(p.curlTo(path, args...), "\r\n")
		for i := range direct {
			switch {
			case strings.HasPrefix(direct[i], "Date:"), strings.HasPrefix(direct[i], "Connection:"):
				direct[i] = "" // of another moment; of another connection
			case strings.Contains(direct[0], " 206 ") && len(direct[i]) > 20 && strings.Contains(direct[i], "0000000"):
				direct[i] = "" // the boundary between parts, which nginx counts up
			}
		}
		for _, line := range direct {
			if !strings.Contains(strings.Join(passed, "\r\n"), line) {
				t.Errorf("%v %s: nginx says %q; the client hears\n%s", args, path, line, strings.Join(passed, "\n"))
			}
		}
		p.ends("done")
	}
}

// wrk keeps both loops busy with requests, on connections that stay and on ones that do not.
func TestHTTPWrk(t *testing.T) {
	t.Parallel()
	tool(t, "wrk")
	p := run(t, web+"log: {access: {to: off}}", nginxFiles(t, ""))
	for _, row := range []struct{ path, header, seconds string }{
		{"/60", "Connection: keep-alive", "2s"},
		{"/102400", "Connection: keep-alive", "1s"},
		{"/60", "Connection: close", "1s"},
	} {
		out := outputOf(t, "wrk", "-t1", "-c64", "-d"+row.seconds, "-H", row.header, "http://"+p.addr(1)+row.path)
		if strings.Contains(out, "Socket errors") || strings.Contains(out, "Non-2xx") || !strings.Contains(out, "Requests/sec") {
			t.Errorf("%s, %s:\n%s", row.path, row.header, out)
		}
	}
}
