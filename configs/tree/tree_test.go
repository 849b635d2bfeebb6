package tree

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	root, faults := Parse("a: 1\nb: [x, {c: }]\n")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	list := root.Pairs[1].Value
	if root.Kind != Object || root.Pairs[0].Value.Text != "1" || list.Kind != List || list.At != (Position{2, 4}) {
		t.Errorf("%+v", root)
	}
	if c := list.Items[1].Pairs[0]; c.Key != "c" || c.Value.Kind != Null || c.Value.At != c.At {
		t.Errorf("%+v", c)
	}
	if root, faults := Parse("# nothing\n"); root != nil || faults != nil {
		t.Errorf("%+v %v", root, faults)
	}
	if _, faults := Parse("a: &x 1\n"); len(faults) != 1 || faults[0].At != (Position{1, 4}) {
		t.Errorf("%v", faults)
	}
}

// FuzzParse: no panic, no depth beyond the limit, and a value everywhere.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a: 1", "- [a, {b: c}]", "a: |\n  x\n", "? a\n: b", "a: 'x\nb'", "{a: \"\\x\"}", "---\na\n---\nb", strings.Repeat("[", 40)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		root, faults := Parse(text)
		for _, fault := range faults {
			if fault.Message == "" {
				t.Errorf("a fault without a message: %+v", fault)
			}
		}
		if root != nil {
			visit(t, root, 0)
		}
	})
}

func visit(t *testing.T, n *Node, depth int) {
	if depth > 2*depthMax || n.At.Line < 1 || n.At.Column < 1 {
		t.Fatalf("depth %d, at %v", depth, n.At)
	}
	for _, item := range n.Items {
		visit(t, item, depth+1)
	}
	for _, p := range n.Pairs {
		if p.Value == nil {
			t.Fatal("a key without a value node")
		}
		visit(t, p.Value, depth+1)
	}
}
