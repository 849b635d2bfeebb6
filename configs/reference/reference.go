// Package reference is the schema as readers see it: the rows of the tables without the types behind them, and the page that is
// written from them.
//
// The loader obeys the rows that are described here, and a test fails when docs/configuration.md is not what Page returns: the
// reference cannot tell of a setting that does not exist, nor leave one out.
package reference

import (
	_ "embed" // the text before the tables
	"fmt"
	"strings"
)

// A Row is one setting.
type Row struct {
	Key     string
	Default string // as a user would write it; "" = none
	None    string // what the absence of a default means
	Doc     string // sentences
	Only    string // the protocol of the listeners for which this means something; "" = all
	Need    bool
	Apply   string // how far a change reaches
	Shape   Shape
}

// A Shape is what may be written for a setting.
type Shape struct {
	Value   string // "a duration"
	Choices []string
	Limits  string
	List    bool
	Path    string // how the rows below are addressed: "", ".NAME" or "[]"
	Short   string // the key below that a scalar stands for; "" = none
	Rows    []Row
}

// Shorts lists the keys of an object that a scalar can stand for; "" if there is none.
func Shorts(short string, words []string) string {
	if short == "" {
		return ""
	}
	return strings.Join(append([]string{short}, words...), "` or `")
}

// Keys returns each key of the schema with the objects that have it, in the order of the rows.
func Keys(rows []Row) map[string][]string {
	keys := map[string][]string{}
	collect(keys, "", rows)
	return keys
}

func collect(keys map[string][]string, path string, rows []Row) {
	for _, r := range rows {
		where := path
		if where == "" {
			where = "the top level"
		}
		keys[r.Key] = append(keys[r.Key], where)
		collect(keys, strings.TrimPrefix(path+"."+r.Key+r.Shape.Path, "."), r.Shape.Rows)
	}
}

// Page returns docs/configuration.md for the rows of the file.
func Page(rows []Row) string {
	var b strings.Builder
	b.WriteString(head)
	section(&b, "", Row{Shape: Shape{Rows: rows}})
	return b.String()
}

// section writes the table of the object at path, then the sections of the objects in it.
func section(b *strings.Builder, path string, object Row) {
	title := "The file"
	if path != "" {
		title = "`" + path + "`"
	}
	fmt.Fprintf(b, "\n## %s\n\n", title)
	if object.Doc != "" {
		b.WriteString(object.Doc + "\n\n")
	}
	b.WriteString("| Key | Value | Default | A change reaches | What it does |\n|---|---|---|---|---|\n")
	for _, r := range object.Shape.Rows {
		doc := r.Doc
		if r.Only != "" {
			doc = "`" + r.Only + "` only. " + doc
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", r.Key, valueText(r.Shape), defaultText(r), r.Apply, doc)
	}
	for _, r := range object.Shape.Rows {
		if len(r.Shape.Rows) > 0 {
			section(b, strings.TrimPrefix(path+"."+r.Key+r.Shape.Path, "."), r)
		}
	}
}

// valueText says what may be written: "a duration, 10ms to 1h".
func valueText(s Shape) string {
	text := s.Value
	if len(s.Choices) > 0 {
		text = "`" + strings.Join(s.Choices, "`, `") + "`"
	}
	if s.Limits != "" {
		text += ", " + s.Limits
	}
	if s.Short != "" {
		text += ", or just its `" + s.Short + "`"
	}
	if s.List {
		text = "one or a list of: " + text
	}
	return strings.ReplaceAll(text, "|", "\\|")
}

func defaultText(r Row) string {
	switch {
	case r.Need:
		return "**required**"
	case r.Default != "":
		return "`" + r.Default + "`"
	}
	if len(r.Shape.Rows) > 0 && r.None == "" {
		return "below"
	}
	return r.None
}

//go:embed head.md
var head string
