package tree

// What is refused before the YAML library parses. Its parser recurses once per nesting level and once per key of a mapping, and
// does quadratic work for long mappings and for absent values; a goroutine that outgrows its stack cannot be recovered. The
// flat list of tokens is cheap and safe to make, so the limits are checked on it.

import (
	"fmt"

	"github.com/goccy/go-yaml/token"
)

// TextMax is the most bytes of a text; a configuration is read whole, and shown in parts.
const TextMax = 1 << 20

// Limits on a text, all far above what a person or a generator writes.
const (
	depthMax  = 32   // the schema needs 6
	keysMax   = 4096 // keys in one mapping: 40 ms in the library's parser, 98 s at 200,000
	faultsMax = 500  // a text with more refused tokens is not a configuration
	emptyMax  = 256  // keys and items without a value, all of them mistakes: 200,000 take minutes
)

// refused are the parts of YAML that hide what a file says from its reader, and what to write instead.
var refused = map[token.Type]struct{ name, hint string }{
	token.AnchorType:     {"an anchor (&)", "write the value out; quote it if it begins with &"},
	token.AliasType:      {"an alias (*)", "quote values that begin with *, as in \"*.example.com\""},
	token.TagType:        {"a tag (!)", "remove it; quote values that begin with !"},
	token.MergeKeyType:   {"a merge key (<<)", "write the keys out"},
	token.MappingKeyType: {"a complex key (?)", "write \"key: value\""},
	token.DirectiveType:  {"a directive (%)", "remove it"},
}

// checkTokens reports every refused token, and the first place where the file exceeds its limits.
func checkTokens(tokens token.Tokens) []Fault {
	var faults []Fault
	var meter tokenMeter
	for _, tk := range tokens {
		if r, ok := refused[tk.Type]; ok && len(faults) < faultsMax {
			faults = append(faults, Fault{position(tk), r.name + " is not part of this file's language", r.hint})
		}
		if limit := meter.see(tk); limit != "" {
			return append(faults, Fault{At: position(tk), Message: limit})
		}
	}
	return faults
}

// A tokenMeter measures nesting from tokens alone, by brackets in flow style and by growing columns in block style, and counts
// what the parser will have to invent an empty value for.
type tokenMeter struct {
	flow   []token.Type // the brackets that are open
	blocks []block
	empty  int
}

type block struct {
	column, keys int
	list         bool
}

// see takes the next token and returns the limit it exceeds, or "".
func (d *tokenMeter) see(tk *token.Token) string {
	if d.lacksValue(tk) {
		d.empty++
	}
	switch tk.Type {
	case token.MappingStartType, token.SequenceStartType:
		d.flow = append(d.flow, tk.Type)
	case token.MappingEndType, token.SequenceEndType:
		d.flow = d.flow[:max(0, len(d.flow)-1)]
	case token.DocumentHeaderType:
		d.blocks = d.blocks[:0]
	case token.SequenceEntryType:
		d.enter(tk.Position.Column, true)
	case token.MappingValueType:
		if len(d.flow) == 0 && tk.Prev != nil {
			d.enter(tk.Prev.Position.Column, false)
		}
	}
	if len(d.flow)+len(d.blocks) > depthMax {
		return fmt.Sprintf("nested deeper than %d levels", depthMax)
	}
	if d.empty > emptyMax {
		return fmt.Sprintf("more than %d keys without a value", emptyMax)
	}
	if n := len(d.blocks); n > 0 && d.blocks[n-1].keys > keysMax {
		return fmt.Sprintf("more than %d keys in one mapping", keysMax)
	}
	return ""
}

// lacksValue tells whether tk is a key's colon or an item's dash with nothing after it, or ends a bare word in { }.
func (d *tokenMeter) lacksValue(tk *token.Token) bool {
	next, prev := tk.Next, tk.Prev
	switch tk.Type {
	case token.MappingValueType, token.SequenceEntryType:
		if next == nil || endsFlowEntry(next) {
			return true
		}
		column := tk.Position.Column
		if tk.Type == token.MappingValueType && prev != nil {
			column = prev.Position.Column // of the key
			if next.Type == token.SequenceEntryType {
				column-- // a list may stand right below its key
			}
		}
		return next.Position.Line > tk.Position.Line && next.Position.Column <= column
	case token.CollectEntryType, token.MappingEndType:
		inMapping := len(d.flow) > 0 && d.flow[len(d.flow)-1] == token.MappingStartType
		return inMapping && prev != nil && prev.Prev != nil && !startsFlowEntry(prev) && !endsFlowEntry(prev) && startsFlowEntry(prev.Prev)
	}
	return false
}

func startsFlowEntry(tk *token.Token) bool {
	return tk.Type == token.CollectEntryType || tk.Type == token.MappingStartType
}

func endsFlowEntry(tk *token.Token) bool {
	return tk.Type == token.CollectEntryType || tk.Type == token.MappingEndType || tk.Type == token.SequenceEndType
}

// enter leaves the blocks that a list entry or key at column ends, and opens or continues its own.
func (d *tokenMeter) enter(column int, list bool) {
	n := len(d.blocks)
	for n > 0 && (d.blocks[n-1].column > column || d.blocks[n-1].column == column && d.blocks[n-1].list && !list) {
		n--
	}
	d.blocks = d.blocks[:n]
	if n == 0 || d.blocks[n-1].column != column || d.blocks[n-1].list != list {
		d.blocks = append(d.blocks, block{column: column, list: list})
		n++
	}
	d.blocks[n-1].keys++
	if list {
		d.blocks[n-1].keys = 0 // long lists cost the parser nothing
	}
}
