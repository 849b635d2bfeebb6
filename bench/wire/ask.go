package wire

import (
	"bytes"
	"net/url"
	"strconv"
	"time"
)

// Ask is what a request head says. The last segment of the path is the size, and a
// query may ask for trouble:
//
//	/60?delay=5ms&chunked=1     60 bytes, in chunks, after 5 ms
//	/60?status=503&close=1      60 bytes with that status, then the end
//	/60?drop=1  /60?hang=1      the end instead of an answer; nothing at all
//	/60?slow=100000             no faster than so many bytes per second
type Ask struct {
	// Size is how many bytes are wanted, Body how many follow the head.
	Size, Body int
	// Status is the one wanted; 0 = 200.
	Status int
	// Delay precedes the answer, and Slow bytes per second is the most it may have;
	// 0 = no limit.
	Delay time.Duration
	Slow  int
	// Chunked leaves out the Content-Length, Close ends the connection after the
	// answer, Drop before it and Hang never answers.
	Chunked, Close, Drop, Hang bool
	// Key is that of an upgrade to WebSocket; empty for any other request.
	Key string
}

// maxDelay bounds what a request can ask for.
const maxDelay = time.Minute

// Parse reads a request head. It is not an HTTP parser: it knows the forms that
// Get, PostTo and Upgrade write, with whatever fields a proxy adds, and refuses
// others.
func Parse(head []byte) (ask Ask, ok bool) {
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	target, ok := bytes.CutSuffix(line, []byte(" HTTP/1.1"))
	if !ok {
		return Ask{}, false
	}
	post := false
	if target, ok = bytes.CutPrefix(target, []byte("GET /")); !ok {
		if target, post = bytes.CutPrefix(target, []byte("POST /")); !post {
			return Ask{}, false
		}
	}
	path, query, _ := bytes.Cut(target, []byte("?"))
	if upgrade, _ := Field(head, "Upgrade"); bytes.EqualFold(upgrade, []byte("websocket")) {
		key, _ := Field(head, "Sec-WebSocket-Key")
		ask.Key = string(key)
		return ask, len(key) > 0 && !post
	}
	if ask.Size, ok = number(path[bytes.LastIndexByte(path, '/')+1:]); !ok {
		return Ask{}, false
	}
	if length, found := Field(head, "Content-Length"); found || post {
		if ask.Body, ok = number(length); !ok {
			return Ask{}, false
		}
	}
	return ask, len(query) == 0 || ask.wishes(string(query))
}

// wishes reads a query and refuses what it does not know: a wish that is misspelled
// shall not look like one that has no effect.
func (a *Ask) wishes(query string) bool {
	values, err := url.ParseQuery(query)
	if err != nil {
		return false
	}
	for key := range values {
		if !a.wish(key, values.Get(key)) {
			return false
		}
	}
	return true
}

func (a *Ask) wish(key, value string) (ok bool) {
	switch key {
	case "delay":
		delay, err := time.ParseDuration(value)
		a.Delay = delay
		return err == nil && delay >= 0 && delay <= maxDelay
	case "status":
		a.Status, ok = number([]byte(value))
		return ok && a.Status >= 200 && a.Status <= 599
	case "slow":
		a.Slow, ok = number([]byte(value))
		return ok
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false
	}
	switch key {
	case "chunked":
		a.Chunked = on
	case "close":
		a.Close = on
	case "drop":
		a.Drop = on
	case "hang":
		a.Hang = on
	default:
		return false
	}
	return true
}

// number reads digits and nothing else, up to MaxBody.
func number(text []byte) (n int, ok bool) {
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int(c-'0'); n > MaxBody {
			return 0, false
		}
	}
	return n, len(text) > 0
}
