package tidy

import (
	"go/ast"
	"strings"
)

// checkAllocTests finds tests that count allocations but whose name does not say so. The race
// detector makes counting impossible, so make test runs the tests with Alloc in their name again
// without it; under another name the count would never be taken.
func checkAllocTests(t *tree, _ Rules) (findings []Finding) {
	for p, f := range t.sources {
		if !f.test || p.dir == "internal/assert" {
			continue // assert's own tests count on both sides
		}
		for _, decl := range f.ast.Decls {
			test, ok := decl.(*ast.FuncDecl)
			if ok && strings.HasPrefix(test.Name.Name, "Test") && !strings.Contains(test.Name.Name, "Alloc") && countsAllocs(test) {
				findings = append(findings, Finding{Rule: "allocs", File: f.name, Line: t.line(test.Pos()),
					Text: test.Name.Name + " counts allocations: put Alloc into its name, or make test never counts them"})
			}
		}
	}
	return findings
}

// countsAllocs looks for a call of assert.Allocs or testing.AllocsPerRun.
func countsAllocs(test *ast.FuncDecl) (counts bool) {
	ast.Inspect(test, func(n ast.Node) bool {
		if call, ok := n.(*ast.SelectorExpr); ok {
			left, _ := call.X.(*ast.Ident)
			counts = counts || left != nil && (left.Name == "assert" && call.Sel.Name == "Allocs" ||
				left.Name == "testing" && call.Sel.Name == "AllocsPerRun")
		}
		return !counts
	})
	return counts
}
