// Package tree reads YAML into a plain tree of four shapes with positions, and shows what is wrong at one of them.
//
// It is the seam to the YAML library. What the rest of the house sees has no anchors, aliases, tags, merge keys or complex keys,
// is at most depthMax deep, and never came from a panic. What is wrong with a text comes back in plain words.
package tree

import (
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// A Position is where something was written, 1-based, columns in characters. The zero Position means "not from a file".
type Position struct{ Line, Column int }

// A Fault is one thing that keeps a text from being a tree. Hint says what to do about it; "" if Message says it all.
type Fault struct {
	At            Position
	Message, Hint string
}

// Kind is the shape of a Node.
type Kind uint8

// The shapes.
const (
	Null   Kind = iota // a key without a value, or ~
	Scalar             // one text, quoted or not
	List
	Object
)

// String names the kind in a sentence: "expected a duration, found a list".
func (k Kind) String() string {
	return [...]string{Null: "nothing", Scalar: "a single value", List: "a list", Object: "a mapping"}[k]
}

// A Node is one value of the file.
type Node struct {
	Kind  Kind
	At    Position
	Text  string  // of a Scalar
	Items []*Node // of a List
	Pairs []Pair  // of an Object, in file order, repeats included
}

// All returns the items of a list; anything else is a list of itself.
func (n *Node) All() []*Node {
	if n.Kind == List {
		return n.Items
	}
	return []*Node{n}
}

// A Pair is a key of an Object with its value, which is never nil.
type Pair struct {
	Key   string
	At    Position
	Value *Node
}

// Parse returns the tree of a text, or why there is none. The root of an empty text is nil. It never panics.
func Parse(text string) (root *Node, faults []Fault) {
	if len(text) > TextMax {
		return nil, []Fault{{Message: "the file is larger than 1MiB"}}
	}
	if at, ok := findBadByte(text); ok {
		return nil, []Fault{{At: at, Message: "the file is not UTF-8 text"}}
	}
	defer func() {
		if r := recover(); r != nil {
			root, faults = nil, []Fault{{Message: "this is not YAML that can be read", Hint: "check quotes, brackets and indentation"}}
		}
	}()
	tokens := lexer.Tokenize(text)
	if faults := checkTokens(tokens); len(faults) > 0 {
		return nil, faults
	}
	file, fault := parseTokens(text, tokens)
	if fault != nil {
		return nil, []Fault{*fault}
	}
	return document(file)
}

// document returns the tree of the only document of a file.
func document(file *ast.File) (*Node, []Fault) {
	var root *Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		n := convert(doc.Body)
		if root != nil {
			return nil, []Fault{{n.At, "a second YAML document", "put everything into one document, without ---"}}
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
func convert(n ast.Node) *Node {
	out := &Node{At: position(n.GetToken())}
	switch n := n.(type) {
	case *ast.MappingNode:
		out.Kind = Object
		for _, v := range n.Values {
			out.Pairs = append(out.Pairs, convertPair(v))
		}
		if !n.IsFlowStyle && len(out.Pairs) > 0 {
			out.At = out.Pairs[0].At
		}
	case *ast.MappingValueNode:
		out.Kind, out.Pairs = Object, []Pair{convertPair(n)}
		out.At = out.Pairs[0].At
	case *ast.SequenceNode:
		out.Kind = List
		for _, v := range n.Values {
			out.Items = append(out.Items, convert(v))
		}
	case *ast.StringNode:
		out.Kind, out.Text = Scalar, n.Value
	case *ast.LiteralNode:
		out.Kind, out.Text = Scalar, n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out.Kind, out.Text = Scalar, n.GetToken().Value
	}
	return out
}

func convertPair(v *ast.MappingValueNode) Pair {
	tk := v.Key.GetToken()
	p := Pair{Key: tk.Value, At: position(tk), Value: &Node{At: position(tk)}}
	if s, ok := v.Key.(*ast.StringNode); ok {
		p.Key = s.Value
	}
	if v.Value != nil {
		p.Value = convert(v.Value)
	}
	if p.Value.Kind == Null {
		p.Value.At = p.At // an absent value has no place of its own
	}
	return p
}

func position(tk *token.Token) Position {
	if tk == nil || tk.Position == nil {
		return Position{}
	}
	return Position{Line: max(1, tk.Position.Line), Column: max(1, tk.Position.Column)}
}
