package tidy

import (
	"fmt"
	"go/ast"
)

// checkSizes finds files, functions, packages and parameter lists past their hard limits. Tests
// are free: a table of cases may be as long as there are cases.
func checkSizes(t *tree, rules Rules) (findings []Finding) {
	for _, p := range t.packages {
		total := 0
		for _, f := range p.files {
			if f.test {
				continue
			}
			total += f.lines
			findings = append(findings, checkFileSizes(t, f, rules.Sizes)...)
		}
		if limit := rules.Sizes.PackageHard; total > limit {
			findings = append(findings, Finding{Rule: "size", File: p.dir,
				Text: fmt.Sprintf("package has %d lines, limit %d: a room that large holds two ideas, part them", total, limit)})
		}
	}
	return findings
}

// checkFileSizes checks one file and what is in it.
func checkFileSizes(t *tree, f *file, sizes Sizes) (findings []Finding) {
	report := func(line int, format string, args ...any) {
		findings = append(findings, Finding{Rule: "size", File: f.name, Line: line, Text: fmt.Sprintf(format, args...)})
	}
	if f.lines > sizes.FileHard {
		report(0, "file has %d lines, limit %d: nobody reads it from top to bottom any more", f.lines, sizes.FileHard)
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if lines := functionLines(t, n); lines > sizes.FunctionHard {
				report(t.line(n.Pos()), "function %s has %d lines, limit %d: it does not fit a screen", n.Name.Name, lines, sizes.FunctionHard)
			}
		case *ast.FuncType:
			if n.Params.NumFields() > sizes.ParametersHard {
				report(t.line(n.Pos()), "%d parameters, limit %d: callers will mix them up, give them a struct", n.Params.NumFields(), sizes.ParametersHard)
			}
		}
		return true
	})
	return findings
}

// functionLines counts from the line of func to that of the closing brace.
func functionLines(t *tree, f *ast.FuncDecl) int { return t.line(f.End()) - t.line(f.Pos()) + 1 }
