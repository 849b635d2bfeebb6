package configs

// The seam to the YAML library. Text becomes a tree of four shapes with positions; what the rest of the room sees has no
// anchors, aliases, tags, merge keys or complex keys, is at most depthMax deep, and never came from a panic.

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

type nodeKind uint8

const (
	nullNode nodeKind = iota
	scalarNode
	listNode
	objectNode
)

// String names the kind in a sentence: "expected a duration, found a list".
func (k nodeKind) String() string {
	return [...]string{nullNode: "nothing", scalarNode: "a single value", listNode: "a list", objectNode: "a mapping"}[k]
}

// A node is one value of the file.
type node struct {
	kind  nodeKind
	at    Position
	text  string  // of a scalar, before ${} is expanded
	items []*node // of a list
	pairs []pair  // of an object, in file order, repeats included
}

type pair struct {
	key   string
	at    Position
	value *node
}

// parseTree returns the tree of a file's text, or why there is none. The root of an empty file is nil.
func parseTree(src *source, text string) (root *node, issues Issues) {
	if len(text) > fileMax {
		return nil, Issues{src.issue(Position{}, fmt.Sprintf("the file is larger than %s", Size(fileMax)), "")}
	}
	if at, ok := findBadByte(text); ok {
		return nil, Issues{src.issue(at, "the file is not UTF-8 text", "")}
	}
	defer func() {
		if r := recover(); r != nil {
			root, issues = nil, Issues{src.issue(Position{}, "this is not YAML that can be read", "check quotes, brackets and indentation")}
		}
	}()
	tokens := lexer.Tokenize(text)
	if issues := checkTokens(src, tokens); len(issues) > 0 {
		return nil, issues
	}
	file, issues := parseTokens(src, tokens)
	if len(issues) > 0 {
		return nil, issues
	}
	return document(src, file)
}

// document returns the tree of the only document of a file.
func document(src *source, file *ast.File) (*node, Issues) {
	var root *node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		n := convert(doc.Body)
		if root != nil {
			return nil, Issues{src.issue(n.at, "a second YAML document", "put everything into one document, without ---")}
		}
		root = n
	}
	return root, nil
}

// findBadByte returns the position of the first byte that is not UTF-8, or is a NUL.
func findBadByte(text string) (Position, bool) {
	at := Position{Line: 1, Column: 1}
	for i, r := range text {
		if r == 0 || r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			return at, true
		}
		at.Column++
		if r == '\n' {
			at = Position{Line: at.Line + 1, Column: 1}
		}
	}
	return at, false
}

// convert turns the library's tree into ours. What checkTokens refuses does not occur; it becomes null, which no row accepts.
func convert(n ast.Node) *node {
	out := &node{at: position(n.GetToken())}
	switch n := n.(type) {
	case *ast.MappingNode:
		out.kind = objectNode
		for _, v := range n.Values {
			out.pairs = append(out.pairs, convertPair(v))
		}
		if !n.IsFlowStyle && len(out.pairs) > 0 {
			out.at = out.pairs[0].at
		}
	case *ast.MappingValueNode:
		out.kind, out.pairs = objectNode, []pair{convertPair(n)}
		out.at = out.pairs[0].at
	case *ast.SequenceNode:
		out.kind = listNode
		for _, v := range n.Values {
			out.items = append(out.items, convert(v))
		}
	case *ast.StringNode:
		out.kind, out.text = scalarNode, n.Value
	case *ast.LiteralNode:
		out.kind, out.text = scalarNode, n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = scalarNode, n.GetToken().Value
	}
	return out
}

func convertPair(v *ast.MappingValueNode) pair {
	tk := v.Key.GetToken()
	p := pair{key: tk.Value, at: position(tk), value: &node{at: position(tk)}}
	if s, ok := v.Key.(*ast.StringNode); ok {
		p.key = s.Value
	}
	if v.Value != nil {
		p.value = convert(v.Value)
	}
	if p.value.kind == nullNode {
		p.value.at = p.at // an absent value has no place of its own
	}
	return p
}

func position(tk *token.Token) Position {
	if tk == nil || tk.Position == nil {
		return Position{}
	}
	return Position{Line: max(1, tk.Position.Line), Column: max(1, tk.Position.Column)}
}
