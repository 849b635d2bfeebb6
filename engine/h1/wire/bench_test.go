package wire

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"sluice/engine/exchange"
)

// browserHead is what a browser sends for a page, apiHead what a service sends to another.
var (
	browserHead = crlf(`GET /products/list?page=2&sort=price HTTP/1.1
Host: shop.example.com
Connection: keep-alive
sec-ch-ua: "Chromium";v="130", "Google Chrome";v="130", "Not?A_Brand";v="99"
sec-ch-ua-mobile: ?0
sec-ch-ua-platform: "Linux"
Upgrade-Insecure-Requests: 1
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8
Sec-Fetch-Site: same-origin
Sec-Fetch-Mode: navigate
Sec-Fetch-Dest: document
Referer: https://shop.example.com/products
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-GB,en;q=0.9,de;q=0.8
Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1

`)
	apiHead = crlf(`GET /v1/items/42 HTTP/1.1
Host: api.example.com
User-Agent: client/1.0
Accept: application/json

`)
	answerHead = crlf(`HTTP/1.1 200 OK
Server: origin
Date: Thu, 01 Jan 2026 00:00:00 GMT
Content-Type: text/plain
Content-Length: 60

`)
)

// crlf makes a readable head a real one.
func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

var generous = Limits{Head: 16 << 10, Fields: 128, Target: 8 << 10}

func BenchmarkParse(b *testing.B) {
	for name, head := range map[string][]byte{"browser": browserHead, "api": apiHead} {
		b.Run(name, func(b *testing.B) {
			h, m := new(exchange.Head), new(Message)
			b.ReportAllocs()
			for b.Loop() {
				if n, bad := (Input{head, 0, &generous}.ParseRequest(h, m)); n == 0 {
					b.Fatal(bad)
				}
			}
		})
	}
	b.Run("answer", func(b *testing.B) {
		h, m := new(exchange.Head), new(Message)
		b.ReportAllocs()
		for b.Loop() {
			if n, bad := (Input{answerHead, 0, &generous}.ParseResponse(AskedAny, h, m)); n == 0 {
				b.Fatal(bad)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for name, head := range map[string][]byte{"browser": browserHead, "api": apiHead} {
		b.Run(name, func(b *testing.B) {
			h, m := new(exchange.Head), new(Message)
			Input{head, 0, &generous}.ParseRequest(h, m)
			h.AddString("X-Forwarded-For", "192.0.2.1")
			out := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				out = AppendRequest(out[:0], h, RequestFraming{})
			}
		})
	}
	b.Run("answer", func(b *testing.B) {
		h, m := new(exchange.Head), new(Message)
		Input{answerHead, 0, &generous}.ParseResponse(AskedAny, h, m)
		out := make([]byte, 0, 4096)
		b.ReportAllocs()
		for b.Loop() {
			out = AppendResponse(out[:0], h, ResponseFraming{Version: 11, Body: 60})
		}
	})
}

// BenchmarkFasthttp is the cost of the way not taken: see docs/why/own-head-index.md.
func BenchmarkFasthttp(b *testing.B) {
	for name, head := range map[string][]byte{"browser": browserHead, "api": apiHead} {
		b.Run(name, func(b *testing.B) {
			var h fasthttp.RequestHeader
			h.DisableNormalizing()
			h.DisableSpecialHeader()
			source := bytes.NewReader(head)
			reader := bufio.NewReaderSize(source, 16<<10)
			b.ReportAllocs()
			for b.Loop() {
				source.Reset(head)
				reader.Reset(source)
				h.Reset()
				h.DisableNormalizing()
				h.DisableSpecialHeader()
				if err := h.Read(reader); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
