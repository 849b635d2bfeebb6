package tidy

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"unicode"
)

// checkDocs finds packages without a package comment and exported names without a doc comment.
// Exported means reachable: methods of unexported types are not. Fields are left to taste, since
// their type's comment often says it better; methods of interfaces are not, since they are contracts.
func checkDocs(t *tree, _ Rules) (findings []Finding) {
	for _, p := range t.packages {
		sources := slices.DeleteFunc(slices.Clone(p.files), func(f *file) bool { return f.test })
		if len(sources) == 0 {
			continue
		}
		if !slices.ContainsFunc(sources, func(f *file) bool { return f.ast.Doc != nil }) {
			findings = append(findings, Finding{Rule: "docs", File: p.dir,
				Text: "no package comment: a room opens with its idea"})
		}
		for _, f := range sources {
			for _, name := range undocumented(f.ast) {
				findings = append(findings, Finding{Rule: "docs", File: f.name, Line: t.line(name.Pos()),
					Text: name.Name + " is exported without a doc comment: what is its contract?"})
			}
		}
	}
	return findings
}

// undocumented lists the exported names of a file that nobody explains.
func undocumented(f *ast.File) (names []*ast.Ident) {
	for _, decl := range f.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Doc == nil && receiverExported(decl) {
				names = append(names, decl.Name)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				names = append(names, undocumentedSpec(f, decl, spec)...)
			}
		}
	}
	return slices.DeleteFunc(names, func(n *ast.Ident) bool { return !n.IsExported() })
}

// undocumentedSpec looks at one const, var or type. A type has a comment of its own. A constant,
// a variable or a method of an interface may share one with its neighbours if that calls it by
// name, and a comment over a group of constants or variables speaks for all of them.
func undocumentedSpec(f *ast.File, decl *ast.GenDecl, spec ast.Spec) (names []*ast.Ident) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		if decl.Doc == nil && spec.Doc == nil && spec.Comment == nil {
			names = unnamed(f, decl, spec.Names)
		}
	case *ast.TypeSpec:
		if spec.Doc == nil && spec.Comment == nil && (decl.Doc == nil || decl.Lparen != token.NoPos) {
			names = append(names, spec.Name)
		}
		contract, ok := spec.Type.(*ast.InterfaceType)
		if !ok || !spec.Name.IsExported() {
			break
		}
		for _, method := range contract.Methods.List {
			if method.Doc == nil && method.Comment == nil {
				names = append(names, unnamed(f, decl, method.Names)...) // none for an embedded interface
			}
		}
	}
	return names
}

// unnamed leaves those names that no comment over or inside the declaration calls by name.
func unnamed(f *ast.File, decl *ast.GenDecl, names []*ast.Ident) []*ast.Ident {
	var words []string
	for _, group := range f.Comments {
		if group == decl.Doc || decl.Pos() < group.Pos() && group.End() <= decl.End() {
			words = append(words, strings.FieldsFunc(group.Text(), notInName)...)
		}
	}
	return slices.DeleteFunc(slices.Clone(names), func(n *ast.Ident) bool { return slices.Contains(words, n.Name) })
}

// notInName reports whether a rune parts words.
func notInName(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// receiverExported says whether a method can be reached from outside; functions can.
func receiverExported(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	receiver := f.Recv.List[0].Type
	for {
		switch r := receiver.(type) {
		case *ast.StarExpr:
			receiver = r.X
		case *ast.IndexExpr: // a generic type
			receiver = r.X
		case *ast.IndexListExpr:
			receiver = r.X
		case *ast.Ident:
			return r.IsExported()
		default:
			return true
		}
	}
}
