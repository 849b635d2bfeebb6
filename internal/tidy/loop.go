package tidy

import (
	"fmt"
	"go/ast"
	"slices"
	"strconv"
)

// forbidden names what a room of the loop must not do, with the reason. A key is an import path, a
// package's selector, or a keyword.
var forbidden = map[string]string{
	"go":             "a loop's rooms start no goroutines: what the loop reaches is touched only by the loop",
	"fmt":            "formatting allocates and reflects, and a panic or an error of the loop has a constant text",
	"time.Now":       "time is an argument: the loop reads its clock once per dispatch and hands it down",
	"time.Since":     "time is an argument: Since reads the clock",
	"time.Until":     "time is an argument: Until reads the clock",
	"time.Sleep":     "nothing blocks the loop",
	"time.After":     "deadlines are Timers of the loop's wheel, not of the runtime",
	"time.AfterFunc": "deadlines are Timers of the loop's wheel, not of the runtime",
	"time.Tick":      "deadlines are Timers of the loop's wheel, not of the runtime",
	"time.NewTimer":  "deadlines are Timers of the loop's wheel, not of the runtime",
	"time.NewTicker": "deadlines are Timers of the loop's wheel, not of the runtime",
	"sync.Mutex":     "no locks: what is shared is immutable or atomic, the rest belongs to one loop",
	"sync.RWMutex":   "no locks: what is shared is immutable or atomic, the rest belongs to one loop",
}

// checkLoop finds forbidden constructs in the rooms of the loop, and exceptions without use or
// reason. Tests may do as they like.
func checkLoop(t *tree, rules Rules) (findings []Finding) {
	used := make([]bool, len(rules.Exceptions))
	for p, f := range t.sources {
		if f.test || !matchAny(rules.LoopOwned, p.dir) || matchAny(rules.LoopFree, p.dir) {
			continue
		}
		for _, finding := range forbiddenIn(t, f) {
			at := slices.IndexFunc(rules.Exceptions, func(e Exception) bool {
				return e.File == f.name && e.Construct == finding.Rule
			})
			if at >= 0 {
				used[at] = true
				continue
			}
			finding.Rule = "loop"
			findings = append(findings, finding)
		}
	}
	for i, e := range rules.Exceptions {
		if e.Reason == "" {
			findings = append(findings, Finding{Rule: "loop", File: e.File, Text: fmt.Sprintf("exception for %s gives no reason", e.Construct)})
		}
		if !used[i] {
			findings = append(findings, Finding{Rule: "loop", File: e.File, Text: fmt.Sprintf("exception for %s is not needed (any more): strike it from the list", e.Construct)})
		}
	}
	return findings
}

// forbiddenIn lists the forbidden constructs of a file, each under its own name as the rule.
func forbiddenIn(t *tree, f *file) (findings []Finding) {
	report := func(n ast.Node, construct string) {
		if why, bad := forbidden[construct]; bad {
			findings = append(findings, Finding{Rule: construct, File: f.name, Line: t.line(n.Pos()),
				Text: fmt.Sprintf("%s in a room of the loop: %s", construct, why)})
		}
	}
	names := importNames(f)
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			report(n, "go")
		case *ast.ImportSpec:
			imported, _ := strconv.Unquote(n.Path.Value)
			report(n, imported)
		case *ast.SelectorExpr:
			if left, ok := n.X.(*ast.Ident); ok && names[left.Name] != "" {
				report(n, names[left.Name]+"."+n.Sel.Name)
			}
		}
		return true
	})
	return findings
}

// importNames maps the names under which a file knows time and sync to the packages, so that an
// alias hides nothing.
func importNames(f *file) map[string]string {
	names := make(map[string]string)
	for _, spec := range f.ast.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		if imported != "time" && imported != "sync" {
			continue
		}
		name := imported
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = imported
	}
	return names
}
