package configs

// The reference: docs/configuration.md is written from the same rows that the loader obeys, and a test fails when the file on
// disk is not what Reference returns.

import (
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

const referenceHead = "# Configuration\n\n" +
	"<!-- Generated from the tables in configs/tables.go by `go test ./configs -run Reference -update`. -->\n" + `
One file, strict YAML; JSON is read as the same schema. ` + "`sluice check -c FILE`" + ` reports everything that is wrong at once.

` + "```yaml" + `
listeners:
  web:
    bind: ":8080"
    upstream: app
upstreams:
  app:
    servers: ["10.0.0.1:8080", "10.0.0.2:8080"]
` + "```" + `

More: [http.yaml](../configs/examples/http.yaml), [http-full.yaml](../configs/examples/http-full.yaml) with every key for HTTP,
[tcp.yaml](../configs/examples/tcp.yaml), [tls-passthrough.yaml](../configs/examples/tls-passthrough.yaml),
[database.yaml](../configs/examples/database.yaml), and [full.yaml](../configs/examples/full.yaml) with every key.

## Rules

- **Strict.** Unknown and repeated keys are errors. So are anchors, aliases, merge keys and tags: a value stands where it is read.
- **Units are mandatory.** Durations: ` + "`500ms`, `30s`, `5m`, `1h30m`" + `. Sizes: ` + "`B`, `KiB`, `MiB`, `GiB`, `TiB`, as in `16KiB`" + `.
  Rates are sizes per second: ` + "`1KiB/s`" + `. Only where 0 means "none" it stands without a unit.
- **Addresses.** ` + "`host:port` or `unix:/path`" + `. IPv6 addresses stand in brackets. Quote what begins with a colon: ` + "`\":8080\"`" + `.
- **Client addresses** are CIDRs such as ` + "`10.0.0.0/8`" + ` or single addresses. IPv4-mapped IPv6 addresses count as IPv4 everywhere.
- **Lists** accept a single value without brackets.
- **Paths** that are relative start at the folder of the file.
- **Variables.** ` + "`${NAME}` and `${NAME:-default}`" + ` stand for environment variables inside values, not inside keys. One that is not set, without a
  default, is an error; the default also replaces an empty one. ` + "`$${`" + ` writes a literal ` + "`${`" + `. Inside brackets, quote the value.
- **Placeholders** in header values, bodies, redirects and ` + "`rewrite.host`" + ` stand for a part of the request: ` + "`{host}`" + ` is its host in lower case,
  without port; ` + "`{path}` its path, `{query}` what follows the first `?`, and `{uri}` both with the `?`" + `, all three as they were sent;
  ` + "`{scheme}` is `http` or `https`, and `{client_ip}`" + ` the client's address. What a request does not have is empty. Another word between braces is an
  error; ` + "`{{`" + ` writes a literal ` + "`{`" + `, which is needed before a word only: ` + "`{\"status\": \"ok\"}`" + ` is itself.
- **Protocols.** Keys marked ` + "`http` only or `tcp` only" + ` mean something on such listeners. A route with one of them is for these listeners.
- **Names** of listeners, routes and upstreams have at most 64 letters, digits, ` + "`_`, `-` and `.`" + `.
- **Limits.** A file has at most 1 MiB, 32 levels and 4096 keys in one mapping, with at most 256 listeners of 64 addresses each.
- **Warnings** tell of a listener or upstream that nothing uses, and of settings without effect. They do not stop the start.

The column "A change reaches" says how far a changed value goes: to new connections, to listening sockets that are opened anew, or only
to a process that is started again. The file is read when the process starts.
`
