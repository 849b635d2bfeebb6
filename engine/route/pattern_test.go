package route

import (
	"strings"
	"testing"

	"sluice/internal/assert"
)

func TestHTTPConflicts(t *testing.T) {
	bad := func(what, text string) string { return `route "1": "` + what + `" is not ` + text }
	const (
		host = `a host: a name, an address or "*.suffix", without a port`
		path = `a path: it begins with "/" and may have one "*", at its end`
	)
	for _, c := range []struct{ first, second, want string }{
		{"- - -", "- - -", `routes "1" and "2" both take every request`},
		{"- - -", "- /* -", `routes "1" and "2" both take every request`},
		{"- - GET", "- - PUT,GET", `routes "1" and "2" both take method "GET"`},
		{"A.example. - -", "b,a.example - -", `routes "1" and "2" both take host "a.example"`},
		{"*.a /x -", "*.A /x -", `routes "1" and "2" both take host "*.a", path "/x"`},
		{"a /x GET,PUT", "a /x PUT,GET", `routes "1" and "2" both take host "a", path "/x", method "PUT"`},
		{"a,b,c /x -", "c,b,a /x -", `routes "1" and "2" both take host "c", path "/x"`}, // once, not three times
		{"a /x,/y -", "a /y,/x -", `routes "1" and "2" both take host "a", path "/y"; routes "1" and "2" both take host "a", path "/x"`},
		{"- /v1/* -", "- /v1//* -", `routes "1" and "2" both take path "/v1/*"`},
		{"- /%61dmin -", "- /admin -", `routes "1" and "2" both take path "/admin"`},
		{"- /a%2f -", "- /a%2F -", `routes "1" and "2" both take path "/a%2F"`},
		{"[::A] - -", "[::a] - -", `routes "1" and "2" both take host "[::a]"`},

		{"- - -", "- - GET", ""},
		{"- - GET", "- - get", ""},
		{"- /a -", "- /a* -", ""},
		{"- /a/* -", "- /a* -", ""},
		{"- /.* -", "- - -", ""},
		{"- /a/.* -", "- /a/* -", ""},
		{"- /a/..* -", "- /* -", ""},
		{"a - -", "*.a - -", ""},
		{"*.a - -", "- - -", ""},
		{"a,A,a. /x,/x,//x GET,GET", "b - -", ""}, // a rule does not conflict with itself

		{"a.example:80 - -", "- - -", bad("a.example:80", host)},
		{"[::1]:80 - -", "- - -", bad("[::1]:80", host)},
		{"::1 - -", "- - -", bad("::1", host)},
		{"*.[::1] - -", "- - -", bad("*.[::1]", host)},
		{"* - -", "b - -", bad("*", host)},
		{"*. - -", "b - -", bad("*.", host)},
		{"*a - -", "b - -", bad("*a", host)},
		{"a.*.b - -", "b - -", bad("a.*.b", host)},
		{"a..b - -", "b - -", bad("a..b", host)},
		{"bücher.example - -", "b - -", bad("bücher.example", host)},
		{"http://a - -", "b - -", bad("http://a", host)},
		{strings.Repeat("a", 64) + " - -", "b - -", bad(strings.Repeat("a", 64), host)},
		{"- v1 -", "b - -", bad("v1", path)},
		{"- * -", "b - -", bad("*", path)},
		{"- /a*b -", "b - -", bad("/a*b", path)},
		{"- /a** -", "b - -", bad("/a**", path)},
		{"- /a?b -", "b - -", bad("/a?b", path)},
		{"- /a#b -", "b - -", bad("/a#b", path)},
		{"- /a%2* -", "b - -", bad("/a%2*", path)},
		{"- /a%zz -", "b - -", bad("/a%zz", path)},
		{"- /../a -", "b - -", bad("/../a", path)},
		{"- - GE(T", "b - -", bad("GE(T", "a method")},
		{"- - GÉT", "b - -", bad("GÉT", "a method")},
		{"- - GET,", "b - -", bad("", "a method")},
	} {
		_, conflicts := CompileHTTP([]HTTPRule[string]{httpRule("1", c.first), httpRule("2", c.second)})
		var got []string
		for _, conflict := range conflicts {
			got = append(got, conflict.String())
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%q and %q:\n got %s\nwant %s", c.first, c.second, text, c.want)
		}
	}
}

func TestEmptyPatternsAreBad(t *testing.T) {
	_, conflicts := CompileHTTP([]HTTPRule[int]{{Hosts: []string{""}, Paths: []string{""}, Methods: []string{""}}})
	var kinds []HTTPConflictKind
	for _, c := range conflicts {
		kinds = append(kinds, c.Kind)
	}
	assert.Equal(t, kinds, []HTTPConflictKind{BadMethod, BadHost, BadPath})
}

func TestAllHTTPConflictsAtOnce(t *testing.T) {
	_, conflicts := CompileHTTP([]HTTPRule[string]{
		httpRule("one", "a /x -"), httpRule("two", "b /y GET"), httpRule("three", "a,b /x,/y GET"), httpRule("four", "a,* /x -"),
	})
	assert.Equal(t, conflicts, []HTTPConflict{
		{Kind: SameRequests, First: 1, Second: 2, FirstName: "two", SecondName: "three", Host: "b", Path: "/y", Method: "GET"},
		{Kind: BadHost, First: 3, Second: 3, FirstName: "four", SecondName: "four", Host: "*"},
		{Kind: SameRequests, First: 0, Second: 3, FirstName: "one", SecondName: "four", Host: "a", Path: "/x"},
	})
}

// Patterns are written by people and matched against normal paths, so they are normalised like them.
func TestPatternsAreNormalised(t *testing.T) {
	tree := mustCompileHTTP(t, httpRules("- /a%20b -", "- /über* -", "- /x/.* -", "- /half%2F* -", "- /star%2A -"))
	for target, want := range map[string]string{
		"/a%20b":          "- /a%20b -",
		"/%C3%BCber/x":    "- /über* -",
		"/x/.git":         "- /x/.* -",
		"/x/%2egit":       "- /x/.* -",
		"/x/..git":        "- /x/.* -",
		"/half%2fdone":    "- /half%2F* -",
		"/star*":          "- /star%2A -",
		"/x/":             "",
		"/x/.":            "",
		"/half/done":      "",
		"/%C3%9Cber":      "",
		"/x/y/../.git?/":  "- /x/.* -",
		"/star%2A/../a b": "- /a%20b -",
	} {
		path, ok := NormalPath(nil, []byte(target))
		got, _ := tree.Match(nil, path, []byte("GET"))
		if got != want || !ok {
			t.Errorf("%s as %s: %q, want %q", target, path, got, want)
		}
	}
}
