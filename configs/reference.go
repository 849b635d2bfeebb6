package configs

// The reference: docs/configuration.md is written from the same rows that the loader obeys, and a test fails when the file on
// disk is not what Reference returns.

import (
	_ "embed" // the text before the tables
	"fmt"
	"strings"
)

// Reference returns docs/configuration.md.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	section(&b, "", rowInfo{shape: shape{rows: file.info()}})
	return b.String()
}

// section writes the table of the object at path, then the sections of the objects in it.
func section(b *strings.Builder, path string, object rowInfo) {
	title := "The file"
	if path != "" {
		title = "`" + path + "`"
	}
	fmt.Fprintf(b, "\n## %s\n\n", title)
	if object.doc != "" {
		b.WriteString(object.doc + "\n\n")
	}
	b.WriteString("| Key | Value | Default | A change reaches | What it does |\n|---|---|---|---|---|\n")
	for _, r := range object.shape.rows {
		doc := r.doc
		if r.only != "" {
			doc = "`" + r.only + "` only. " + doc
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", r.key, valueText(r.shape), defaultText(r), r.apply, doc)
	}
	for _, r := range object.shape.rows {
		if len(r.shape.rows) > 0 {
			section(b, strings.TrimPrefix(path+"."+r.key+r.shape.path, "."), r)
		}
	}
}

// valueText says what may be written: "a duration, 10ms to 1h".
func valueText(s shape) string {
	text := s.value
	if len(s.choices) > 0 {
		text = "`" + strings.Join(s.choices, "`, `") + "`"
	}
	if s.limits != "" {
		text += ", " + s.limits
	}
	if s.short != "" {
		text += ", or just its `" + s.short + "`"
	}
	if s.list {
		text = "one or a list of: " + text
	}
	return strings.ReplaceAll(text, "|", "\\|")
}

func defaultText(r rowInfo) string {
	switch {
	case r.need:
		return "**required**"
	case r.def != "":
		return "`" + r.def + "`"
	}
	if len(r.shape.rows) > 0 && r.none == "" {
		return "below"
	}
	return r.none
}

//go:embed reference_head.md
var referenceHead string
