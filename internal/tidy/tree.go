package tidy

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// tree is the Go source under a root, parsed.
type tree struct {
	fset     *token.FileSet
	packages []*pkg // in order of their folders
}

// pkg is the files of one folder.
type pkg struct {
	dir   string // from the root; "." for the root itself
	files []*file
}

// file is one parsed source file. Build tags are ignored: every variant keeps the rules.
type file struct {
	name  string // path from the root
	lines int
	test  bool
	ast   *ast.File
}

// load parses every Go file the go command would look at.
func load(root fs.FS) (*tree, []Finding) {
	t := &tree{fset: token.NewFileSet()}
	var findings []Finding
	walk(root, func(name string, text []byte) {
		if !strings.HasSuffix(name, ".go") || ignoredByGo(name) {
			return
		}
		parsed, err := parser.ParseFile(t.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			findings = append(findings, Finding{Rule: "parse", File: name, Text: err.Error()})
			return
		}
		t.add(&file{
			name:  name,
			lines: bytes.Count(text, []byte("\n")),
			test:  strings.HasSuffix(name, "_test.go"),
			ast:   parsed,
		})
	}, func(name string, err error) {
		findings = append(findings, Finding{Rule: "read", File: name, Text: err.Error()})
	})
	return t, findings
}

// add files f under its folder. WalkDir goes in order, but a folder's files can come before and
// after those of its subfolders, so the last package is not always the right one.
func (t *tree) add(f *file) {
	dir := path.Dir(f.name)
	at := slices.IndexFunc(t.packages, func(p *pkg) bool { return p.dir == dir })
	if at < 0 {
		at = len(t.packages)
		t.packages = append(t.packages, &pkg{dir: dir})
	}
	t.packages[at].files = append(t.packages[at].files, f)
}

// sources yields every file with its package.
func (t *tree) sources(yield func(*pkg, *file) bool) {
	for _, p := range t.packages {
		for _, f := range p.files {
			if !yield(p, f) {
				return
			}
		}
	}
}

// line is the line number of a position.
func (t *tree) line(p token.Pos) int { return t.fset.Position(p).Line }

// walk calls visit with every file of the project, or failed when one cannot be read. Folders that
// hold what git or the build made are not the project's, nor are those of other modules, such as a
// module cache that a build machine keeps in the checkout.
func walk(root fs.FS, visit func(name string, text []byte), failed func(name string, err error)) {
	_ = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			failed(name, err)
		case entry.IsDir():
			if name == ".git" || name == "bin" || name != "." && exists(root, name+"/go.mod") {
				return fs.SkipDir
			}
		case entry.Type().IsRegular() && name != ".git": // the one of a worktree is a file
			text, err := fs.ReadFile(root, name)
			if err != nil {
				failed(name, err)
				return nil
			}
			visit(name, text)
		}
		return nil
	})
}

// exists reports whether there is such a file.
func exists(root fs.FS, name string) bool {
	_, err := fs.Stat(root, name)
	return err == nil
}

// ignoredByGo says whether the go command skips the file for the sake of a folder above it.
func ignoredByGo(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "testdata" || strings.HasPrefix(part, "_") || strings.HasPrefix(part, ".") {
			return true
		}
	}
	return false
}
