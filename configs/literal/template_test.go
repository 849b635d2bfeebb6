package literal

import (
	"reflect"
	"strings"
	"testing"
)

func TestTemplate(t *testing.T) {
	for text, want := range map[string][]Part{
		"":                      nil,
		"plain } text":          {{Text: "plain } text"}},
		"{host}":                {{Name: "host"}},
		"a{host}{uri}b":         {{Text: "a"}, {Name: "host"}, {Name: "uri"}, {Text: "b"}},
		"{{host}":               {{Text: "{host}"}},
		"{{{host}}":             {{Text: "{"}, {Name: "host"}, {Text: "}"}},
		`{"a": {"b": "{path}"}`: {{Text: `{"a": {"b": "`}, {Name: "path"}, {Text: `"}`}},
		"{host":                 {{Text: "{host"}},
		"{} { } {a b}":          {{Text: "{} { } {a b}"}},
		"{unknown-1}":           {{Name: "unknown-1"}},
	} {
		if got := Template(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"", "{", "}", "{{", "{host}", "{{{host}}", "{a{b}c}", "{\xff}", `{"a": {}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var again strings.Builder
		parts := Template(text)
		for i, p := range parts {
			if (p.Text == "") == (p.Name == "") || i > 0 && p.Name == "" && parts[i-1].Name == "" {
				t.Fatalf("%q: %+v", text, parts)
			}
			if p.Name != "" {
				again.WriteString("{" + p.Name + "}")
			}
			again.WriteString(strings.ReplaceAll(p.Text, "{", "{{"))
		}
		if got := Template(again.String()); !reflect.DeepEqual(got, parts) {
			t.Errorf("%q: %+v, but %q: %+v", text, parts, again.String(), got)
		}
	})
}
