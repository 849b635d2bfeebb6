package tidy

import (
	"go/ast"
	"io/fs"
	"strings"
)

// Measures are the numbers of the house that are worth watching but fail nothing. They leave tests
// out.
type Measures struct {
	Packages, Files, Functions int
	FilesOverTarget            []string // path
	FunctionsOverTarget        []string // path:name
	Lines, CommentLines        int
}

// CommentShare is the part of the lines that are comments, in percent.
func (m Measures) CommentShare() int {
	if m.Lines == 0 {
		return 0
	}
	return 100 * m.CommentLines / m.Lines
}

// Measure counts the Go source under root. Files that do not parse are left out; Check names them.
func Measure(root fs.FS, rules Rules) Measures {
	source, _ := load(root)
	m := Measures{Packages: len(source.packages)}
	for _, f := range source.sources {
		if !f.test {
			m.add(source, f, rules.Sizes)
		}
	}
	return m
}

// add counts one file.
func (m *Measures) add(t *tree, f *file, sizes Sizes) {
	m.Files++
	m.Lines += f.lines
	if f.lines > sizes.FileTarget {
		m.FilesOverTarget = append(m.FilesOverTarget, f.name)
	}
	for _, group := range f.ast.Comments {
		m.CommentLines += strings.Count(commentText(group), "\n") + 1
	}
	for _, decl := range f.ast.Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		m.Functions++
		if functionLines(t, function) > sizes.FunctionTarget {
			m.FunctionsOverTarget = append(m.FunctionsOverTarget, f.name+":"+function.Name.Name)
		}
	}
}

// commentText is a group as written, markers and all.
func commentText(group *ast.CommentGroup) string {
	lines := make([]string, len(group.List))
	for i, comment := range group.List {
		lines[i] = comment.Text
	}
	return strings.Join(lines, "\n")
}
