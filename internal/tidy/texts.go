package tidy

import (
	"bytes"
	"io/fs"
	"regexp"
)

// textRules are what no text file of the project may contain, whatever its kind. The patterns are
// put together from parts so that this file does not break them itself.
var textRules = []struct {
	pattern *regexp.Regexp
	why     string
}{
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME)\b`), "an intention is not code: do it now, or write down what is and is not built"},
	{regexp.MustCompile(`(^|[^\w.~/-])/wo` + `rk(/|\b)`), "an absolute path of one machine means nothing on another"},
	{regexp.MustCompile(`(?i)\bissu` + `es?\s+#?\d+\b`), "a number in a tracker explains nothing to a reader: say what it is about"},
}

// checkTexts applies the text rules to every file that is not binary.
func checkTexts(root fs.FS) (findings []Finding) {
	walk(root, func(name string, text []byte) {
		if bytes.IndexByte(text, 0) >= 0 {
			return
		}
		number := 0
		for line := range bytes.Lines(text) {
			number++
			for _, rule := range textRules {
				if found := rule.pattern.Find(line); found != nil {
					findings = append(findings, Finding{Rule: "text", File: name, Line: number,
						Text: string(bytes.TrimSpace(found)) + ": " + rule.why})
				}
			}
		}
	}, func(string, error) {}) // load has reported it
	return findings
}
