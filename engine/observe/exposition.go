package observe

// The text in which metrics are read: families of samples, each family once, in a fixed order. Two dialects differ in little:
//
//	Prometheus 0.0.4                          OpenMetrics 1.0.0
//	# HELP sluice_bytes_total Payload bytes   # HELP sluice_bytes Payload bytes
//	# TYPE sluice_bytes_total counter         # TYPE sluice_bytes counter
//	sluice_bytes_total{direction="up"} 17     sluice_bytes_total{direction="up"} 17
//	                                          # EOF
//
// Lines are appended to one buffer; a sample allocates nothing.

import (
	"math"
	"mime"
	"strconv"
	"strings"

	"sluice/engine/stat"
)

// The content types of both dialects.
const (
	typePrometheus  = "text/plain; version=0.0.4; charset=utf-8"
	typeOpenMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)

// exposition is a text under way.
type exposition struct {
	out  []byte
	open bool // in OpenMetrics
}

// family begins one: its name, type and help. name ends in _total if it is a counter's.
func (e *exposition) family(name string, kind stat.Kind, help string) {
	word := "gauge"
	if kind == stat.Counter {
		word = "counter"
		if e.open {
			name = strings.TrimSuffix(name, "_total")
		}
	}
	e.out = append(e.out, "# HELP "...)
	e.out = append(e.out, name...)
	e.out = append(e.out, ' ')
	e.out = appendHelp(e.out, help, e.open)
	e.out = append(e.out, "\n# TYPE "...)
	e.out = append(e.out, name...)
	e.out = append(e.out, ' ')
	e.out = append(e.out, word...)
	e.out = append(e.out, '\n')
}

// count adds a sample of the present family. labels are as appendLabel makes them, "" for none.
func (e *exposition) count(name, labels string, n uint64) {
	e.begin(name, labels)
	e.out = strconv.AppendUint(e.out, n, 10)
	e.out = append(e.out, '\n')
}

// value is count for what is not a whole number.
func (e *exposition) value(name, labels string, v float64) {
	e.begin(name, labels)
	switch {
	case math.IsInf(v, 1):
		e.out = append(e.out, "+Inf"...)
	default:
		e.out = strconv.AppendFloat(e.out, v, 'f', -1, 64)
	}
	e.out = append(e.out, '\n')
}

func (e *exposition) begin(name, labels string) {
	e.out = append(e.out, name...)
	if labels != "" {
		e.out = append(e.out, '{')
		e.out = append(e.out, labels...)
		e.out = append(e.out, '}')
	}
	e.out = append(e.out, ' ')
}

// end completes the text.
func (e *exposition) end() {
	if e.open {
		e.out = append(e.out, "# EOF\n"...)
	}
}

// label returns one label, to be joined by commas.
func label(name, value string) string {
	return name + `="` + escapeLabel(value) + `"`
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// escapeLabel makes a value safe between quotes. What is not UTF-8 would make the whole text unreadable, so it becomes U+FFFD.
func escapeLabel(value string) string {
	return labelEscapes.Replace(strings.ToValidUTF8(value, "\uFFFD"))
}

// appendHelp appends a help text, escaped: quotes too in OpenMetrics, and there only.
func appendHelp(dst []byte, help string, open bool) []byte {
	for i := range len(help) {
		switch c := help[i]; {
		case c == '\\':
			dst = append(dst, `\\`...)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '"' && open:
			dst = append(dst, `\"`...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// wantsOpenMetrics reads an Accept field (RFC 9110, section 12.5.1): OpenMetrics must be named, and not be wanted less
// than plain text.
func wantsOpenMetrics(accept string) bool {
	var open, plain float64
	for part := range strings.SplitSeq(accept, ",") {
		kind, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, weighted := params["q"]; weighted {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		switch kind {
		case "application/openmetrics-text":
			open = max(open, q)
		case "text/plain":
			plain = max(plain, q)
		}
	}
	return open > 0 && open >= plain
}
