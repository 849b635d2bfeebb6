package configs

// What must hold of the tables: every field is set by a row or known to be derived, every row is documented, every default can
// be read, and the reference on disk is the one that the rows give.

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sluice/configs/kinds"
	"sluice/configs/literal"
	"sluice/configs/reference"
	"sluice/configs/table"
	"sluice/configs/tree"
)

const referencePath = "../docs/configuration.md"

func TestReferenceIsOnDisk(t *testing.T) {
	if *update {
		if err := os.WriteFile(referencePath, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	onDisk, err := os.ReadFile(referencePath)
	if err != nil || string(onDisk) != Reference() {
		t.Errorf("%s is not what the tables say (%v); run: go test ./configs -run Reference -update", referencePath, err)
	}
}

func TestEveryFieldHasARow(t *testing.T) {
	covers(t, file, "File", "Warnings")
	covers(t, listeners, "Name", "At")
	covers(t, proxyAccept, "At")
	covers(t, clientIP, "At")
	covers(t, routeClientIP, "At")
	covers(t, listenerTimeouts)
	covers(t, listenerLimits, "At")
	covers(t, routes, "At", "HasSNI")
	covers(t, respond, "At")
	covers(t, redirect, "At")
	covers(t, headerRules)
	covers(t, headerEdits(kinds.RequestField))
	covers(t, headerEdits(kinds.ResponseField))
	covers(t, rewrite)
	covers(t, buffer)
	covers(t, pool)
	covers(t, routeTimeouts)
	covers(t, upstreams, "Name", "At", "HashName")
	covers(t, servers, "At", "Discover", "Scheme")
	covers(t, serverLine, "At", "Discover", "Scheme")
	covers(t, check, "At")
	covers(t, listenerTLS, "At")
	covers(t, certificates, "At")
	covers(t, upstreamTLS, "At")
	covers(t, eject, "At")
	covers(t, queue)
	covers(t, sticky, "At")
	covers(t, retry, "Connect", "Reset", "Timeout", "MarkedDown", "Statuses", "At") // all but the last by on
	covers(t, upstreamTimeouts)
	covers(t, admin, "At")
	covers(t, logs)
	covers(t, access, "At")
	covers(t, runtimes, "At")
}

// covers fails for exported fields of S that no row of tab sets, except the derived ones.
func covers[S any](t *testing.T, tab *table.Of[S], derived ...string) {
	t.Helper()
	s := new(S)
	set := map[uintptr]bool{}
	for _, r := range tab.Rows {
		set[reflect.ValueOf(r.To.Target(s)).Pointer()] = true
	}
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.IsExported() && !slices.Contains(derived, f.Name) && !set[v.Field(i).Addr().Pointer()] {
			t.Errorf("%T.%s: no row sets it, so no user can", *s, f.Name)
		}
	}
}

// eachRow calls f for every row of the schema with its path.
func eachRow(path string, rows []reference.Row, f func(path string, r reference.Row)) {
	for _, r := range rows {
		below := strings.TrimPrefix(path+"."+r.Key, ".")
		f(below, r)
		eachRow(below+r.Shape.Path, r.Shape.Rows, f)
	}
}

func TestEveryRowIsDocumented(t *testing.T) {
	eachRow("", file.Describe(), func(path string, r reference.Row) {
		if !strings.HasSuffix(r.Doc, ".") || len(r.Doc) < 10 {
			t.Errorf("%s: the text %q is not a sentence", path, r.Doc)
		}
		if r.Apply == "" || r.Shape.Value == "" {
			t.Errorf("%s: no class of change, or no kind", path)
		}
		if len(r.Shape.Rows) == 0 && !r.Need && r.Default == "" && r.None == "" {
			t.Errorf("%s: nothing says what its absence means", path)
		}
		if strings.Contains(r.Doc, "|") {
			t.Errorf("%s: | would break the table", path)
		}
	})
}

func TestFullExampleHasEveryKeyWithItsDefault(t *testing.T) {
	text, err := os.ReadFile("examples/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	root, faults := tree.Parse(string(text))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	found := map[string][]string{}
	flatten("", root, file.Describe(), found)
	eachRow("", file.Describe(), func(path string, r reference.Row) {
		values, ok := found[path]
		if !ok {
			t.Errorf("full.yaml lacks %s", path)
		}
		if r.Default != "" && !slices.Contains(values, r.Default) {
			t.Errorf("full.yaml has %s: %v, never the default %s", path, values, r.Default)
		}
	})
}

// flatten collects the values of a file by the path of their row.
func flatten(path string, n *tree.Node, rows []reference.Row, found map[string][]string) {
	for _, p := range n.Pairs {
		i := slices.IndexFunc(rows, func(r reference.Row) bool { return r.Key == p.Key })
		if i < 0 {
			continue
		}
		below := strings.TrimPrefix(path+"."+p.Key, ".")
		found[below] = append(found[below], textOf(p.Value))
		s := rows[i].Shape
		switch s.Path {
		case ".NAME":
			for _, named := range p.Value.Pairs {
				flatten(below+s.Path, named.Value, s.Rows, found)
			}
		case "[]":
			for _, item := range p.Value.All() {
				flatten(below+s.Path, item, s.Rows, found)
			}
		default:
			flatten(below, p.Value, s.Rows, found)
		}
	}
}

// textOf writes a value the way a default is written: a list with a comma and a blank between two.
func textOf(n *tree.Node) string {
	if n.Kind != tree.List {
		return n.Text
	}
	var texts []string
	for _, item := range n.Items {
		texts = append(texts, item.Text)
	}
	return strings.Join(texts, ", ")
}

// A key that holds a secret must be one that quoted lines hide, whatever it is called.
func TestSecretsAreHidden(t *testing.T) {
	hidden := 0
	eachRow("", file.Describe(), func(path string, r reference.Row) {
		if r.Shape.Value == "a secret" {
			line := literal.HideSecrets(r.Key+": correct-horse-battery", nil)
			if strings.Contains(line, "horse") {
				t.Errorf("%s: %q", path, line)
			}
			hidden++
		}
	})
	if hidden < 2 {
		t.Errorf("%d keys hold secrets", hidden)
	}
}
