package health

// The http check: one request, of which the server knows that no other follows, and the head of its answer. The body is looked at only
// if the user expects something of it.

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"sluice/configs"
)

// ask sends the request and judges the answer. The detail is what a good answer was.
func (p *prober) ask(ctx context.Context, conn net.Conn, target Target) (string, error) {
	if _, err := io.WriteString(conn, p.request(target)); err != nil {
		return "", p.explain(ctx, requesting, err)
	}
	// The limit holds for the head; the reader of the body has its own.
	limit := &headReader{conn: conn, left: headMax}
	answer, err := readAnswer(bufio.NewReader(limit), p.check.Method)
	if err != nil {
		return "", p.explain(ctx, limit.phase(), cmp.Or(limit.refusal, err))
	}
	limit.left = math.MaxInt
	// The body is not closed: that would read it to its end, which may never come.
	if !p.expected(answer.StatusCode) {
		return "", fmt.Errorf("answered %d", answer.StatusCode)
	}
	if p.check.Body != nil {
		text, err := io.ReadAll(io.LimitReader(answer.Body, bodyMax))
		if err != nil {
			return "", p.explain(ctx, readingBody, err)
		}
		if !p.check.Body.Match(text) {
			return "", fmt.Errorf("answered %d, but its body does not match", answer.StatusCode)
		}
	}
	return "answered " + strconv.Itoa(answer.StatusCode), nil
}

// request returns the request as it is sent.
func (p *prober) request(target Target) string {
	host := cmp.Or(p.check.Host, authority(target, p.check.Port))
	var b strings.Builder
	b.WriteString(p.check.Method + " " + p.check.HTTP + " HTTP/1.1\r\nHost: " + host + "\r\n")
	named := false
	for _, field := range p.check.Headers {
		b.WriteString(field.Name + ": " + field.Value + "\r\n")
		named = named || strings.EqualFold(field.Name, "User-Agent")
	}
	if !named {
		b.WriteString("User-Agent: " + agent + "\r\n")
	}
	if p.check.Method == http.MethodPost {
		b.WriteString("Content-Length: 0\r\n") // RFC 9110, section 8.6
	}
	b.WriteString("Connection: close\r\n\r\n")
	return b.String()
}

// expected reports whether the user named the status.
func (p *prober) expected(status int) bool {
	return slices.ContainsFunc(p.check.Status, func(r configs.StatusRange) bool { return r.From <= status && status <= r.To })
}

// readAnswer reads the head of the final answer and leaves out what is said before it (RFC 9110, section 15.2). 101 is final: nobody
// asked for it.
func readAnswer(r *bufio.Reader, method string) (*http.Response, error) {
	for {
		answer, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil || answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
			return answer, err
		}
	}
}

// headReader fails where a head goes on for too long.
type headReader struct {
	conn io.Reader
	left int
	any  bool // the server has said something
	// refusal is errHeadTooLarge after it was returned: whoever reads a line complains of what they have of it first.
	refusal error
}

// Read implements io.Reader.
func (r *headReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		r.refusal = errHeadTooLarge
		return 0, r.refusal
	}
	n, err := r.conn.Read(p[:min(len(p), r.left)])
	r.left -= n
	r.any = r.any || n > 0
	return n, err
}

// phase names what was going on when the head could not be read.
func (r *headReader) phase() phase {
	if r.any {
		return readingHead
	}
	return awaiting
}

// errHeadTooLarge is the failure of a server that does not come to the point.
var errHeadTooLarge = errors.New("head of the answer is larger than " + strconv.Itoa(headMax>>10) + " KiB")
