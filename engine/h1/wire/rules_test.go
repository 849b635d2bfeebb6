package wire

import (
	"fmt"
	"strings"
	"testing"

	"sluice/engine/exchange"
	"sluice/engine/record"
)

const host = "Host: a\r\n"

// get is a request with these lines behind its Host.
func get(lines string) string { return "GET / HTTP/1.1\r\n" + host + lines + "\r\n" }

// requestRules has every way to be refused, and what comes close to it and is not.
var requestRules = []struct {
	name string
	head string
	want fault
}{
	{"plain", get(""), fine},
	{"one empty line before", "\r\n" + get(""), fine},
	{"two empty lines before", "\r\n\r\n" + get(""), badMethod},
	{"bare LF before", "\n" + get(""), bareLF},
	{"TLS", "\x16\x03\x01\x02\x00\x01", clientHello},

	{"method empty", " / HTTP/1.1\r\n" + host + "\r\n", badMethod},
	{"method with separator", "G(T / HTTP/1.1\r\n" + host + "\r\n", badMethod},
	{"method of 32", strings.Repeat("M", 32) + " / HTTP/1.1\r\n" + host + "\r\n", fine},
	{"method of 33", strings.Repeat("M", 33) + " / HTTP/1.1\r\n" + host + "\r\n", longMethod},
	{"lower-case method is another", "get / HTTP/1.1\r\n" + host + "\r\n", fine},
	{"TRACE passes", "TRACE / HTTP/1.1\r\n" + host + "\r\n", fine},
	{"tab behind method", "GET\t/ HTTP/1.1\r\n" + host + "\r\n", badMethod},
	{"CR in method", "G\rT / HTTP/1.1\r\n" + host + "\r\n", bareCR},

	{"1.0", "GET / HTTP/1.0\r\n\r\n", fine},
	{"1.2", "GET / HTTP/1.2\r\n" + host + "\r\n", otherVersion},
	{"2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", otherVersion},
	{"0.9 by number", "GET / HTTP/0.9\r\n\r\n", oldVersion},
	{"0.9 by form", "GET /\r\n", noVersion},
	{"lower-case version", "GET / http/1.1\r\n" + host + "\r\n", badVersion},
	{"version of two digits", "GET / HTTP/1.10\r\n" + host + "\r\n", badVersion},
	{"version with leading zero", "GET / HTTP/01.1\r\n" + host + "\r\n", badVersion},
	{"space behind version", "GET / HTTP/1.1 \r\n" + host + "\r\n", badVersion},
	{"two spaces before version", "GET /  HTTP/1.1\r\n" + host + "\r\n", badVersion},
	{"two spaces behind method", "GET  / HTTP/1.1\r\n" + host + "\r\n", emptyTarget},
	{"bare LF behind version", "GET / HTTP/1.1\n" + host + "\r\n", bareLF},
	{"bare CR behind version", "GET / HTTP/1.1\r" + host + "\r\n", bareCR},

	{"space in target", "GET /a b HTTP/1.1\r\n" + host + "\r\n", badVersion},
	{"tab in target", "GET /a\tb HTTP/1.1\r\n" + host + "\r\n", noVersion},
	{"NUL in target", "GET /a\x00b HTTP/1.1\r\n" + host + "\r\n", nulByte},
	{"DEL in target", "GET /a\x7fb HTTP/1.1\r\n" + host + "\r\n", controlByte},
	{"bytes beyond ASCII in target", "GET /\xc3\xa9 HTTP/1.1\r\n" + host + "\r\n", fine},
	{"fragment", "GET /a#b HTTP/1.1\r\n" + host + "\r\n", fragmentInTarget},
	{"half an escape", "GET /a%2 HTTP/1.1\r\n" + host + "\r\n", badEscape},
	{"broken escape", "GET /a%zz HTTP/1.1\r\n" + host + "\r\n", badEscape},
	{"escape", "GET /a%2Fb%20c HTTP/1.1\r\n" + host + "\r\n", fine},
	{"free text in query", "GET /a?100%&b=%zz HTTP/1.1\r\n" + host + "\r\n", fine},
	{"no slash", "GET a HTTP/1.1\r\n" + host + "\r\n", badTarget},
	{"other scheme", "GET ftp://a/ HTTP/1.1\r\n" + host + "\r\n", badTarget},
	{"scheme without slashes", "GET http:a/ HTTP/1.1\r\n" + host + "\r\n", badTarget},
	{"authority form without CONNECT", "GET a:80 HTTP/1.1\r\n" + host + "\r\n", badTarget},
	{"star with OPTIONS", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", fine},
	{"star and empty Host", "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", fine},
	{"star with GET", "GET * HTTP/1.1\r\n" + host + "\r\n", starNotOptions},
	{"target of 40", "GET /" + strings.Repeat("a", 39) + " HTTP/1.1\r\n" + host + "\r\n", fine},
	{"target of 41", "GET /" + strings.Repeat("a", 40) + " HTTP/1.1\r\n" + host + "\r\n", longTarget},

	{"absolute form", "GET http://A:80/x HTTP/1.1\r\n" + host + "\r\n", fine},
	{"absolute form, default port in Host", "GET http://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n", fine},
	{"absolute form, https", "GET https://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n", fine},
	{"absolute form, other host", "GET http://b/ HTTP/1.1\r\n" + host + "\r\n", hostDiffers},
	{"absolute form, other port", "GET http://a:81/ HTTP/1.1\r\n" + host + "\r\n", hostDiffers},
	{"absolute form, no Host", "GET http://a/ HTTP/1.1\r\n\r\n", noHost},
	{"absolute form, no Host in 1.0", "GET http://a/ HTTP/1.0\r\n\r\n", fine},
	{"absolute form, empty Host", "GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n", emptyHost},
	{"absolute form, user", "GET http://u@a/ HTTP/1.1\r\n" + host + "\r\n", userInfo},
	{"absolute form, no authority", "GET http:/// HTTP/1.1\r\n" + host + "\r\n", badAuthority},
	{"absolute form, broken escape", "GET http://a/% HTTP/1.1\r\n" + host + "\r\n", badEscape},

	{"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", fine},
	{"CONNECT, no port in Host", "CONNECT a:443 HTTP/1.1\r\n" + host + "\r\n", fine},
	{"CONNECT, no port", "CONNECT a HTTP/1.1\r\n" + host + "\r\n", noPort},
	{"CONNECT, path", "CONNECT /a HTTP/1.1\r\n" + host + "\r\n", badAuthority},
	{"CONNECT, other host", "CONNECT b:443 HTTP/1.1\r\n" + host + "\r\n", hostDiffers},
	{"CONNECT, other port", "CONNECT a:443 HTTP/1.1\r\nHost: a:80\r\n\r\n", hostDiffers},
	{"CONNECT, body", "CONNECT a:443 HTTP/1.1\r\n" + host + "Content-Length: 1\r\n\r\n", connectContent},
	{"CONNECT, chunked", "CONNECT a:443 HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", connectContent},

	{"no Host", "GET / HTTP/1.1\r\n\r\n", noHost},
	{"two Hosts", get(host), repeatedHost},
	{"two Hosts in 1.0", "GET / HTTP/1.0\r\n" + host + host + "\r\n", repeatedHost},
	{"empty Host", "GET / HTTP/1.1\r\nHost: \r\n\r\n", emptyHost},
	{"list of Hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", badHost},
	{"Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", badHost},
	{"Host with user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", badHost},
	{"Host with space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", badHost},
	{"Host with odd port", "GET / HTTP/1.1\r\nHost: a:8o\r\n\r\n", badHost},
	{"Host with large port", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", badHost},
	{"Host with port only", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", badHost},
	{"Host with empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", fine},
	{"Host is IPv6", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", fine},
	{"Host is broken IPv6", "GET / HTTP/1.1\r\nHost: [2001:db8::1\r\n\r\n", badHost},
	{"Host in brackets", "GET / HTTP/1.1\r\nHost: [127.0.0.1]\r\n\r\n", badHost},

	{"folded line", get("A: b\r\n c\r\n"), foldedLine},
	{"folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", foldedLine},
	{"line of a tab", get("\t\r\n"), foldedLine},
	{"space before colon", get("A : b\r\n"), spaceBeforeColon},
	{"tab before colon", get("A\t: b\r\n"), spaceBeforeColon},
	{"space in name", get("A b: c\r\n"), spaceBeforeColon},
	{"no name", get(": b\r\n"), emptyName},
	{"separator in name", get("A(: b\r\n"), badName},
	{"bytes beyond ASCII in name", get("\xc3\xa9: b\r\n"), badName},
	{"NUL in name", get("A\x00: b\r\n"), nulByte},
	{"no colon", get("Abc\r\n"), noColon},
	{"value empty", get("A:\r\n"), fine},
	{"no space before value", get("A:b\r\n"), fine},
	{"tab in value", get("A: b\tc\r\n"), fine},
	{"bytes beyond ASCII in value", get("A: \xff\x80\r\n"), fine},
	{"NUL in value", get("A: b\x00\r\n"), nulByte},
	{"control byte in value", get("A: b\x01\r\n"), controlByte},
	{"DEL in value", get("A: b\x7f\r\n"), controlByte},
	{"CR in value", get("A: b\rc\r\n"), bareCR},
	{"two CRs", get("A: b\r\r\n"), bareCR},
	{"LF ends line", get("A: b\n"), bareLF},
	{"LF ends head", "GET / HTTP/1.1\r\n" + host + "\n", bareLF},
	{"CR ends head", "GET / HTTP/1.1\r\n" + host + "\rA: b\r\n\r\n", bareCR},
	{"8 fields", get(strings.Repeat("A: b\r\n", 7)), fine},
	{"9 fields", get(strings.Repeat("A: b\r\n", 8)), tooManyFields},
	{"head of 400", get("A: " + strings.Repeat("b", 400-len(get("A: \r\n"))) + "\r\n"), fine},
	{"head of 401", get("A: " + strings.Repeat("b", 401-len(get("A: \r\n"))) + "\r\n"), headTooLong},
	{"32 members in Connection", get("Connection: " + strings.Repeat("a,", 31) + "a\r\n"), fine},
	{"33 members in Connection", get("Connection: " + strings.Repeat("a,", 32) + "a\r\n"), tooManyOptions},

	{"length", get("Content-Length: 5\r\n"), fine},
	{"length twice", get("Content-Length: 5\r\ncontent-length: 5\r\n"), repeatedLength},
	{"length list", get("Content-Length: 5, 5\r\n"), badLength},
	{"length with plus", get("Content-Length: +5\r\n"), badLength},
	{"length with minus", get("Content-Length: -5\r\n"), badLength},
	{"length hexadecimal", get("Content-Length: 0x5\r\n"), badLength},
	{"length empty", get("Content-Length:\r\n"), badLength},
	{"length with space", get("Content-Length: 1 2\r\n"), badLength},
	{"length 2^63-1", get("Content-Length: 9223372036854775807\r\n"), fine},
	{"length 2^63", get("Content-Length: 9223372036854775808\r\n"), hugeLength},
	{"length 2^64", get("Content-Length: 18446744073709551616\r\n"), hugeLength},
	{"length 21e18", get("Content-Length: 21000000000000000000\r\n"), hugeLength},
	{"length, then coding", get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), lengthAndCoding},
	{"coding, then length", get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), lengthAndCoding},
	{"chunked", get("Transfer-Encoding: Chunked \r\n"), fine},
	{"chunked twice", get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), repeatedCoding},
	{"chunked listed twice", get("Transfer-Encoding: chunked, chunked\r\n"), otherCoding},
	{"chunked with comma", get("Transfer-Encoding: chunked,\r\n"), otherCoding},
	{"chunked with parameter", get("Transfer-Encoding: chunked;a=b\r\n"), otherCoding},
	{"chunked after another", get("Transfer-Encoding: gzip, chunked\r\n"), otherCoding},
	{"identity", get("Transfer-Encoding: identity\r\n"), otherCoding},
	{"coding empty", get("Transfer-Encoding:\r\n"), otherCoding},
	{"coding with vertical tab", get("Transfer-Encoding: \x0bchunked\r\n"), controlByte},
	{"coding in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", oldCoding},

	{"Expect", get("Expect: 100-Continue\r\n"), fine},
	{"Expect otherwise", get("Expect: payment\r\n"), otherExpectation},
	{"Expect more", get("Expect: 100-continue, a\r\n"), otherExpectation},
	{"Expect in 1.0", "POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", fine},
}

// tight are limits that the rules can reach.
var tight = Limits{Head: 400, Fields: 8, Target: 40}

// verdict is everything a parser says, in a form that can be compared.
func verdict(n int, bad *Bad, h *exchange.Head, m *Message) string {
	switch {
	case bad != nil:
		return fmt.Sprintf("%v: %s", bad.Reason, bad.Detail)
	case n == 0:
		return "partial"
	}
	return fmt.Sprintf("%d bytes, %+v, %s", n, *m, dump(h))
}

// dump prints a head.
func dump(h *exchange.Head) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%q %q %q %d %q", h.Bytes(h.Method), h.Bytes(h.Target), h.Bytes(h.Authority), h.Status, h.Bytes(h.Reason))
	for _, f := range h.Fields() {
		fmt.Fprintf(&out, "\n\t%q: %q id %v gone %v", h.Bytes(f.Name), h.Bytes(f.Value), f.ID, f.Gone)
	}
	return out.String()
}

func parseRequest(b []byte, scanned int, l *Limits) (n int, bad *Bad, text string) {
	var h exchange.Head
	var m Message
	n, bad = Input{b, scanned, l}.ParseRequest(&h, &m)
	return n, bad, verdict(n, bad, &h, &m)
}

func parseAnswer(b []byte, scanned int, l *Limits) (n int, bad *Bad, text string) {
	var h exchange.Head
	var m Message
	n, bad = Input{b, scanned, l}.ParseResponse(AskedAny, &h, &m)
	return n, bad, verdict(n, bad, &h, &m)
}

func TestRequestRules(t *testing.T) {
	for _, rule := range requestRules {
		_, bad, text := parseRequest([]byte(rule.head+"more"), 0, &tight)
		check(t, rule.name, bad, rule.want.inRequest(), text)
		torn(t, rule.name, []byte(rule.head), parseRequest)
	}
}

func check(t *testing.T, name string, got, want *Bad, text string) {
	t.Helper()
	switch {
	case want == nil && (got != nil || text == "partial"):
		t.Errorf("%s: %s, want accepted", name, text)
	case want != nil && (got == nil || *got != *want):
		t.Errorf("%s: %s, want %v: %s", name, text, want.Reason, want.Detail)
	}
}

// torn feeds a head in two pieces, cut at every place, and byte by byte, and expects the same verdict as for the whole.
func torn(t *testing.T, name string, head []byte, parse func([]byte, int, *Limits) (int, *Bad, string)) {
	t.Helper()
	_, _, want := parse(head, 0, &tight)
	for cut := range head {
		n, bad, got := parse(head[:cut], 0, &tight)
		if n == 0 && bad == nil {
			_, _, got = parse(head, cut, &tight)
		}
		if got != want {
			t.Errorf("%s: cut at %d: %s\nwant %s", name, cut, got, want)
		}
	}
	for size := 1; size <= len(head); size++ {
		n, bad, got := parse(head[:size], size-1, &tight)
		if n == 0 && bad == nil && size < len(head) {
			continue
		}
		if got != want {
			t.Errorf("%s: byte by byte, refused or done at %d of %d: %s\nwant %s", name, size, len(head), got, want)
		}
		break
	}
}

// answer is an answer with these lines.
func answer(lines string) string { return "HTTP/1.1 200 OK\r\n" + lines + "\r\n" }

var answerRules = []struct {
	name string
	head string
	want fault
}{
	{"plain", answer(""), fine},
	{"no reason", "HTTP/1.1 200 \r\n\r\n", fine},
	{"no reason and no space", "HTTP/1.1 200\r\n\r\n", fine},
	{"reason beyond ASCII", "HTTP/1.1 200 \xc3\xa9\ta\r\n\r\n", fine},
	{"status 999", "HTTP/1.1 999 X\r\n\r\n", fine},
	{"status 099", "HTTP/1.1 099 X\r\n\r\n", badStatus},
	{"status of two digits", "HTTP/1.1 20 X\r\n\r\n", badStatus},
	{"status of four digits", "HTTP/1.1 2000 X\r\n\r\n", badStatusLine},
	{"status with sign", "HTTP/1.1 +20 X\r\n\r\n", badStatus},
	{"two spaces", "HTTP/1.1  200 X\r\n\r\n", badStatus},
	{"tab", "HTTP/1.1\t200 X\r\n\r\n", badStatusLine},
	{"control byte in reason", "HTTP/1.1 200 O\x01K\r\n\r\n", controlByte},
	{"CR in reason", "HTTP/1.1 200 O\rK\r\n\r\n", bareCR},
	{"LF ends line", "HTTP/1.1 200 OK\n\r\n", bareLF},
	{"empty line before", "\r\n" + answer(""), badVersion},
	{"version 1.0", "HTTP/1.0 200 OK\r\n\r\n", fine},
	{"version 2", "HTTP/2.0 200 OK\r\n\r\n", otherVersion},
	{"version 0.9", "HTTP/0.9 200 OK\r\n\r\n", oldVersion},
	{"no HTTP", "SSH-2.0-OpenSSH\r\n", badVersion},
	{"ICY", "ICY 200 OK\r\n\r\n", badVersion},
	{"folded line", answer("A: b\r\n c\r\n"), foldedLine},
	{"space before colon", answer("A : b\r\n"), spaceBeforeColon},
	{"NUL in value", answer("A: \x00\r\n"), nulByte},
	{"LF ends field", answer("A: b\n"), bareLF},
	{"length twice", answer("Content-Length: 5\r\nContent-Length: 5\r\n"), repeatedLength},
	{"length list", answer("Content-Length: 5,5\r\n"), badLength},
	{"length with sign", answer("Content-Length: +5\r\n"), badLength},
	{"length and coding", answer("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), lengthAndCoding},
	{"coding twice", answer("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), repeatedCoding},
	{"another coding", answer("Transfer-Encoding: gzip, chunked\r\n"), otherCoding},
	{"coding in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", oldCoding},
	{"204 with a length", "HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n", impossibleBody},
	{"204 with a length of 0", "HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n", fine},
	{"204 with chunks", "HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", impossibleBody},
	{"103 with a length", "HTTP/1.1 103 X\r\nContent-Length: 5\r\n\r\n", impossibleBody},
	{"two Hosts", answer(host + host), fine},
	{"Expect", answer("Expect: nothing\r\n"), fine},
	{"9 fields", answer(strings.Repeat("A: b\r\n", 9)), tooManyFields},
	{"head of 401", answer("A: " + strings.Repeat("b", 401-len(answer("A: \r\n"))) + "\r\n"), headTooLong},
}

func TestAnswerRules(t *testing.T) {
	for _, rule := range answerRules {
		_, bad, text := parseAnswer([]byte(rule.head+"more"), 0, &tight)
		check(t, rule.name, bad, rule.want.inAnswer(), text)
		torn(t, rule.name, []byte(rule.head), parseAnswer)
	}
}

// Every fault has a text of its own and a reason of its side, and the rules above reach each one but those of bodies.
func TestFaults(t *testing.T) {
	reached := map[fault]bool{}
	for _, rule := range requestRules {
		reached[rule.want] = true
	}
	for _, rule := range answerRules {
		reached[rule.want] = true
	}
	for _, rule := range chunkRules {
		reached[rule.want] = true
	}
	texts := map[string]bool{}
	for f := fine + 1; f < faultCount; f++ {
		bad := f.inRequest()
		if bad.Detail == "" || texts[bad.Detail] {
			t.Errorf("fault %d: text %q is empty or not unique", f, bad.Detail)
		}
		texts[bad.Detail] = true
		if !reached[f] {
			t.Errorf("no rule reaches %q", bad.Detail)
		}
		if side := f.inAnswer().Reason.Side(); side != record.Back {
			t.Errorf("%q in an answer is blamed on %v", bad.Detail, side)
		}
	}
}
