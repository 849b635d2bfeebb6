package observe

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sluice/engine/record"
)

const loggingDoc = "../../docs/logging.md"

var update = flag.Bool("update", false, "rewrite the generated parts of docs and the texts in testdata")

// generated returns what belongs between the markers of each name.
func generated() map[string]string {
	var reasons strings.Builder
	reasons.WriteString("| Reason | Side | Class | Status | Meaning |\n|---|---|---|---|---|\n")
	for r := range record.Reasons() {
		status := "–"
		if r.Status() != 0 {
			status = strconv.Itoa(r.Status())
		}
		fmt.Fprintf(&reasons, "| `%s` | %s | %s | %s | %s |\n", r, r.Side(), r.Class(), status, r.Text())
	}
	return map[string]string{
		"connection example": "```json\n" + string(appendConn(nil, new(clock), sample())) + "```\n",
		"exchange example":   "```json\n" + string(appendExchange(nil, new(clock), sampleExchange())) + "```\n",
		"reasons":            reasons.String(),
	}
}

func TestLoggingDocIsCurrent(t *testing.T) { docIsCurrent(t, loggingDoc, generated()) }

// docIsCurrent checks that each named part of a page says what it should, or rewrites it.
func docIsCurrent(t *testing.T, path string, parts map[string]string) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page, doc := strings.TrimPrefix(path, "../../"), string(old)
	for name, text := range parts {
		begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->\n"
		head, rest, found := strings.Cut(doc, begin)
		_, tail, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Fatalf("%s has no part %q", page, name)
		}
		doc = head + begin + text + end + tail
	}
	if doc == string(old) {
		return
	}
	if !*update {
		t.Fatalf("%s is out of date; run: go test ./engine/observe -update", page)
	}
	if err := os.WriteFile(path, []byte(doc), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The documented fields must be the ones printed, in the order printed.
func TestLoggingDocNamesEveryField(t *testing.T) {
	doc, err := os.ReadFile(loggingDoc)
	if err != nil {
		t.Fatal(err)
	}
	for name, line := range map[string][]byte{
		"connection": appendConn(nil, new(clock), sample()),
		"exchange":   appendExchange(nil, new(clock), sampleExchange()),
	} {
		_, table, _ := strings.Cut(string(doc), "<!-- "+name+" example:end -->")
		table, _, _ = strings.Cut(strings.TrimSpace(table), "\n\n")
		var documented []string
		for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(table, -1) {
			documented = append(documented, m[1])
		}
		printed, err := fieldOrder(line)
		if err != nil || !slices.Equal(documented, printed) {
			t.Errorf("%s: documented %v\nprinted    %v (%v)", name, documented, printed, err)
		}
	}
}
