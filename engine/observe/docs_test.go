package observe

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sluice/engine/record"
)

const loggingDoc = "../../docs/logging.md"

var update = flag.Bool("update", false, "rewrite the generated parts of docs/logging.md")

// generated returns what belongs between the markers of each name.
func generated() map[string]string {
	var reasons strings.Builder
	reasons.WriteString("| Reason | Side | Class | Meaning |\n|---|---|---|---|\n")
	for r := range record.Reasons() {
		fmt.Fprintf(&reasons, "| `%s` | %s | %s | %s |\n", r, r.Side(), r.Class(), r.Text())
	}
	return map[string]string{
		"example": "```json\n" + string(appendConn(nil, sample())) + "```\n",
		"reasons": reasons.String(),
	}
}

func TestLoggingDocIsCurrent(t *testing.T) {
	old, err := os.ReadFile(loggingDoc)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(old)
	for name, text := range generated() {
		begin, end := "<!-- "+name+":begin -->\n", "<!-- "+name+":end -->\n"
		head, rest, found := strings.Cut(doc, begin)
		_, tail, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Fatalf("docs/logging.md has no part %q", name)
		}
		doc = head + begin + text + end + tail
	}
	if doc == string(old) {
		return
	}
	if !*update {
		t.Fatal("docs/logging.md is out of date; run: go test ./engine/observe -update")
	}
	if err := os.WriteFile(loggingDoc, []byte(doc), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The documented fields must be the ones printed, in the order printed.
func TestLoggingDocNamesEveryField(t *testing.T) {
	doc, err := os.ReadFile(loggingDoc)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "| Field |")
	table, _, _ = strings.Cut(table, "\n\n")
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(table, -1) {
		documented = append(documented, m[1])
	}
	printed, err := fieldOrder(appendConn(nil, sample()))
	if err != nil || !slices.Equal(documented, printed) {
		t.Errorf("documented %v\nprinted    %v (%v)", documented, printed, err)
	}
}
