package observe

// The line of one HTTP exchange. Nearly all of its texts were chosen by somebody who may be
// hostile; encode.go says how they are kept harmless.

import (
	"sluice/engine/record"
)

// targetMax is the longest request-target printed in full: most of what tells requests apart
// is there, and a target may have 8 KiB.
const targetMax = 1 << 10

// exchangeMax bounds the line of an exchange: nine texts, the target and two addresses whose
// every byte becomes \u00XX, and the keys and numbers around them.
const exchangeMax = 9*(6*textMax+len("…")) + 6*targetMax + len("…") + 2*6*addrMax + 1200

// appendExchange appends x as one line with its newline, at most exchangeMax bytes.
func appendExchange(dst []byte, c *clock, x *record.Exchange) []byte {
	dst = appendEnding(dst, c, ending{x.Start, x.Total, x.Reason, x.Errno})
	dst = appendText(dst, "detail", x.Detail)
	dst = appendCount(dst, "status", uint64(max(x.Status, 0)))
	dst = appendCount(dst, "upstream_status", uint64(max(x.UpstreamStatus, 0)))
	dst = appendText(dst, "method", x.Method)
	dst = appendText(dst, "host", x.Host)
	dst = appendCut(dst, "target", x.Target, targetMax)
	if x.Version != 0 {
		dst = append(dst, `,"version":"HTTP/`...)
		dst = append(dst, '0'+x.Version/10%10, '.', '0'+x.Version%10, '"')
	}
	dst = appendParties(dst, x.Client, x.Peer, x.Names)
	dst = appendText(dst, "server", x.Server)
	if x.TLS != nil {
		dst = appendText(dst, "sni", x.TLS.ServerName)
		dst = appendTLS(dst, x.TLS)
	}
	return appendExchangeNumbers(dst, x)
}

// appendExchangeNumbers appends the fields that every line has, and ends it.
func appendExchangeNumbers(dst []byte, x *record.Exchange) []byte {
	dst = appendCount(dst, "attempts", uint64(x.Attempts))
	dst = appendBool(dst, "reused", x.Reused)
	dst = appendCount(dst, "request", uint64(x.Requests))
	dst = appendCount(dst, "bytes_up", x.BytesUp)
	dst = appendCount(dst, "bytes_down", x.BytesDown)
	dst = appendMillis(dst, "head_ms", uint64(x.Head))
	dst = appendMillis(dst, "connect_ms", uint64(x.Connect))
	dst = appendMillis(dst, "first_byte_ms", uint64(x.FirstByte))
	dst = appendMillis(dst, "answer_ms", uint64(x.Answer))
	dst = appendMillis(dst, "total_ms", micros(x.Total))
	dst = appendBool(dst, "spliced", x.Spliced)
	if x.Queue > 0 {
		dst = appendMillis(dst, "queue_ms", uint64(x.Queue))
	}
	return append(dst, "}\n"...)
}
