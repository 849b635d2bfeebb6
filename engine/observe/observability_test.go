package observe

// docs/observability.md says what is true: its tables and examples are made here.

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sluice/internal/assert"
)

const observabilityDoc = "../../docs/observability.md"

func TestObservabilityDocIsCurrent(t *testing.T) {
	server, err := json.MarshalIndent(newFakeProxy().upstreams[0].Servers[1], "", "  ")
	assert.NoError(t, err)
	docIsCurrent(t, observabilityDoc, map[string]string{
		"metrics":        familiesTable(),
		"server example": "```json\n" + string(server) + "\n```\n",
	})
}

// familiesTable is for the page of docs: name, type, labels and help of every family.
func familiesTable() string {
	var table strings.Builder
	table.WriteString("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n")
	text := scrapeFake(false)
	labelName := regexp.MustCompile(`([a-z_]+)="`)
	for _, m := range regexp.MustCompile(`(?m)^# HELP (\S+) (.*)\n# TYPE \S+ (\w+)\n(.*)$`).FindAllStringSubmatch(text, -1) {
		var labels []string
		for _, l := range labelName.FindAllStringSubmatch(m[4], -1) {
			labels = append(labels, "`"+l[1]+"`")
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", m[1], m[3], strings.Join(slices.Compact(labels), ", "), m[2])
	}
	return table.String()
}

// The page names every way into the API, with its method.
func TestObservabilityDocNamesEveryWay(t *testing.T) {
	page := readDoc(t)
	for _, w := range newAPI(newFakeProxy()).ways() {
		if !strings.Contains(page, "| `"+w.method+"` | `"+w.path+"` |") {
			t.Errorf("no row for %s %s", w.method, w.path)
		}
	}
}

// It explains every field of the JSON of upstreams, servers, checks and listeners.
func TestObservabilityDocNamesEveryField(t *testing.T) {
	page := readDoc(t)
	status := statusOf(newFakeProxy())
	status.Ended = Ended{} // by reasons, which have their own page
	text, err := json.Marshal(status)
	assert.NoError(t, err)
	for _, m := range regexp.MustCompile(`"([a-z_]+)":`).FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(page, "`"+m[1]+"`") {
			t.Errorf("no field %s", m[1])
		}
	}
}

func readDoc(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(observabilityDoc)
	assert.NoError(t, err)
	return string(page)
}
