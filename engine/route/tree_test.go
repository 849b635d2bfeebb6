package route

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sluice/internal/assert"
)

// httpRule writes a rule as "host,host path,path METHOD,METHOD"; "-" is no list at all. Its value is its name.
func httpRule(name, text string) HTTPRule[string] {
	var lists [3][]string
	for i, part := range strings.Split(text, " ") {
		if part != "-" {
			lists[i] = strings.Split(part, ",")
		}
	}
	return HTTPRule[string]{Name: name, Hosts: lists[0], Paths: lists[1], Methods: lists[2], Value: name}
}

// httpRules names each rule after its own text.
func httpRules(texts ...string) (rules []HTTPRule[string]) {
	for _, text := range texts {
		rules = append(rules, httpRule(text, text))
	}
	return rules
}

func mustCompileHTTP(t testing.TB, rules []HTTPRule[string]) *Tree[string] {
	t.Helper()
	tree, conflicts := CompileHTTP(rules)
	for _, c := range conflicts {
		t.Fatal(c)
	}
	return tree
}

// match asks a tree as "host path METHOD"; "-" is an empty part.
func match(tree *Tree[string], request string) (string, Found) {
	var parts [3][]byte
	for i, part := range strings.Split(request, " ") {
		if part != "-" {
			parts[i] = []byte(part)
		}
	}
	return tree.Match(parts[0], parts[1], parts[2])
}

func TestMatchPrecedence(t *testing.T) {
	tree := mustCompileHTTP(t, httpRules(
		"API.example.com. /status GET",
		"api.example.com /status -",
		"api.example.com /v1/* -",
		"api.example.com /v1/users/* POST,PUT",
		"api.example.com /v1* -",
		"*.example.com /v1/* -",
		"*.example.com /only DELETE",
		"*.b.example.com /b -",
		"[::1],127.0.0.1 - -",
		"- /health -",
		"- /.well-known/* -",
		"- /* OPTIONS",
	))
	for _, c := range []struct{ request, want string }{
		{"api.example.com /status GET", "API.example.com. /status GET"},
		{"api.example.com /status HEAD", "api.example.com /status -"},
		{"api.example.com /status get", "api.example.com /status -"}, // methods are case-sensitive
		{"api.example.com /v1/ GET", "api.example.com /v1/* -"},
		{"api.example.com /v1/users/7 PUT", "api.example.com /v1/users/* POST,PUT"},
		{"api.example.com /v1/users/7 GET", "api.example.com /v1/* -"}, // the prefix's methods do not fit: a shorter prefix
		{"api.example.com /v1/users GET", "api.example.com /v1/* -"},
		{"api.example.com /v1 GET", "api.example.com /v1* -"},
		{"api.example.com /v10 GET", "api.example.com /v1* -"},
		{"api.example.com /only DELETE", "*.example.com /only DELETE"}, // the host's paths do not fit: a wildcard
		{"api.example.com /health GET", "- /health -"},                 // no wildcard's either: rules without hosts
		{"x.y.example.com /v1/a GET", "*.example.com /v1/* -"},
		{"x.b.example.com /b GET", "*.b.example.com /b -"},
		{"x.b.example.com /v1/a GET", "*.example.com /v1/* -"}, // a shorter wildcard
		{"b.example.com /v1/a GET", "*.example.com /v1/* -"},   // not its own suffix
		{"[::1] /a GET", "[::1],127.0.0.1 - -"},
		{"127.0.0.1 /a GET", "[::1],127.0.0.1 - -"},
		{"[::1] * OPTIONS", "[::1],127.0.0.1 - -"},
		{"example.com /health GET", "- /health -"},
		{"- /health GET", "- /health -"}, // HTTP/1.0 without a Host
		{"- /.well-known/x GET", "- /.well-known/* -"},
		{"else.com * OPTIONS", "- /* OPTIONS"},
		{"else.com - OPTIONS", "- /* OPTIONS"}, // CONNECT-like targets have no path
	} {
		if got, found := match(tree, c.request); got != c.want || found != Matched {
			t.Errorf("%s: %q %d, want %q", c.request, got, found, c.want)
		}
	}
	for _, request := range []string{"api.example.com /a GET", "else.com / GET", "- / GET", "example.com /v1/ GET"} {
		if got, found := match(tree, request); got != "" || found != NoPath {
			t.Errorf("%s: %q %d, want no path", request, got, found)
		}
	}
}

func TestMatchTellsWhyNot(t *testing.T) {
	tree := mustCompileHTTP(t, httpRules("a.example /a GET", "*.b.example /b/* -", "*.c.b.example /c -"))
	for request, want := range map[string]Found{
		"a.example /a GET":      Matched,
		"a.example /a POST":     NoPath,
		"a.example /a/ GET":     NoPath,
		"x.b.example /b GET":    NoPath,
		"x.c.b.example /b/ GET": Matched,
		"x.c.b.example /a GET":  NoPath,
		"b.example /b/ GET":     NoHost,
		"x.a.example /a GET":    NoHost,
		"xa.example /a GET":     NoHost,
		"- /a GET":              NoHost,
		"example / GET":         NoHost,
	} {
		if _, found := match(tree, request); found != want {
			t.Errorf("%s: %d, want %d", request, found, want)
		}
	}
	_, found := match(mustCompileHTTP(t, nil), "a / GET")
	assert.Equal(t, found, NoHost)
}

func TestMatchCatchAll(t *testing.T) {
	for _, text := range []string{"- - -", "- /* -", "- /*,//*,/a -"} {
		tree := mustCompileHTTP(t, httpRules(text))
		assert.Equal(t, tree.only != nil, text != "- /*,//*,/a -")
		for _, request := range []string{"a.example / GET", "- * OPTIONS", "- - -", "[::1] /a/b GET"} {
			if got, found := match(tree, request); got != text || found != Matched {
				t.Errorf("%s of %s: %q %d", request, text, got, found)
			}
		}
	}
	for _, text := range []string{"a - -", "*.a - -", "- /a -", "- /a* -", "- - GET"} { // conditions: no shortcut
		tree := mustCompileHTTP(t, httpRules(text))
		if got, found := match(tree, "b / POST"); got != "" || found == Matched {
			t.Errorf("%s takes everything", text)
		}
	}
	tree := mustCompileHTTP(t, httpRules("- - -", "- - GET"))
	got, _ := match(tree, "a / GET")
	assert.Equal(t, got, "- - GET")
}

// naiveMatch is the specification read aloud: rank every combination of patterns that takes the request, and let the highest rank win.
func naiveMatch(rules []HTTPRule[string], host, path, method string) (best string, found Found) {
	const never, last, exact = -1, 0, 1 << 20
	top := []int{never, never, never}
	found = NoHost
	for _, r := range rules {
		rank := []int{never, never, never}
		for _, p := range append(r.Hosts, ifNone(r.Hosts, "any")...) {
			suffix, wild := strings.CutPrefix(p, "*.")
			switch {
			case p == "any":
				rank[0] = max(rank[0], last)
			case wild && strings.HasSuffix(host, "."+suffix):
				rank[0] = max(rank[0], 1+len(suffix))
			case p == host:
				rank[0] = exact
			}
		}
		for _, p := range append(r.Paths, ifNone(r.Paths, "/*")...) {
			prefix, open := strings.CutSuffix(p, "*")
			switch {
			case p == "/*":
				rank[1] = max(rank[1], last)
			case open && strings.HasPrefix(path, prefix):
				rank[1] = max(rank[1], 1+len(prefix))
			case p == path:
				rank[1] = exact
			}
		}
		if len(r.Methods) == 0 {
			rank[2] = last
		} else if slices.Contains(r.Methods, method) {
			rank[2] = exact
		}
		if rank[0] != never {
			found = NoPath
		}
		if !slices.Contains(rank, never) && slices.Compare(rank, top) > 0 {
			top, best = rank, r.Value
		}
	}
	if best != "" {
		found = Matched
	}
	return best, found
}

func ifNone(list []string, all string) []string {
	if len(list) == 0 {
		return []string{all}
	}
	return nil
}

// httpDice throws rules and requests from so few parts that they meet.
type httpDice struct{ *rand.Rand }

func (d httpDice) some(from []string, most int) (out []string) {
	for range d.IntN(most + 1) {
		out = append(out, from[d.IntN(len(from))])
	}
	return out
}

func (d httpDice) host() string {
	return strings.Join(append(d.some([]string{"a", "b"}, 3), "c"), ".")
}

func (d httpDice) path() string {
	return "/" + strings.Join(d.some([]string{"a", "b", "/a", "a/b", "é"}, 4), "")
}

func (d httpDice) rules() (rules []HTTPRule[string]) {
	for i := range 1 + d.IntN(6) {
		r := HTTPRule[string]{Name: fmt.Sprint(i), Value: fmt.Sprint(i), Methods: d.some([]string{"GET", "PUT", "get"}, 2)}
		for range d.IntN(3) {
			r.Hosts = append(r.Hosts, []string{"", "*."}[d.IntN(2)]+d.host())
		}
		for range d.IntN(4) {
			r.Paths = append(r.Paths, d.path()+[]string{"", "*"}[d.IntN(2)])
		}
		rules = append(rules, r)
	}
	return rules
}

func TestMatchAgainstNaiveModel(t *testing.T) {
	d := httpDice{rand.New(rand.NewPCG(5, 5))}
	var seen [3]int
	for range 4000 {
		rules := d.rules()
		for i, r := range rules {
			for j, p := range r.Paths {
				rules[i].Paths[j] = strings.ReplaceAll(p, "//", "/") // the model knows normal forms only
			}
		}
		tree, conflicts := CompileHTTP(rules)
		if len(conflicts) > 0 {
			continue
		}
		for range 20 {
			host, path := d.host(), strings.ReplaceAll(d.path(), "//", "/")
			method := []string{"GET", "PUT", "POST"}[d.IntN(3)]
			got, found := tree.Match([]byte(host), []byte(path), []byte(method))
			want, wantFound := naiveMatch(rules, host, path, method)
			if got != want || found != wantFound {
				t.Fatalf("%+v\n%s %s %s: %q %d, want %q %d", rules, host, path, method, got, found, want, wantFound)
			}
			seen[found]++
		}
	}
	if slices.Min(seen[:]) < 3000 {
		t.Fatalf("only %d matches, %d without path and %d without host were compared", seen[Matched], seen[NoPath], seen[NoHost])
	}
}

// bigTable is what a busy proxy has: many hosts, and one with many paths.
func bigTable() []HTTPRule[string] {
	rules := httpRules("- - -", "*.example.com /static/* GET,HEAD", "api.example.com /status -", "api.example.com /v1/* GET,POST,PUT,DELETE")
	for i := range 1000 {
		rules = append(rules, httpRule(fmt.Sprint(i), fmt.Sprintf("h%d.example.com,*.w%d.example.org - -", i, i)))
		rules = append(rules, httpRule(fmt.Sprint("path", i), fmt.Sprintf("api.example.com /v1/service%d/* -", i)))
	}
	return rules
}

var busyRequests = []struct{ name, request, want string }{
	{"prefix", "api.example.com /v1/service77/users/7 GET", "path77"},
	{"exact", "api.example.com /status GET", "api.example.com /status -"},
	{"fallback", "h77.example.com.x /static/app.js GET", "- - -"},
	{"wildcard", "a.b.w77.example.org / GET", "77"},
	{"hostile", strings.Repeat("a.", 126) + "b /" + strings.Repeat("v1/", 100) + " GET", "- - -"},
}

func TestMatchAllocs(t *testing.T) {
	tree := mustCompileHTTP(t, bigTable())
	for _, c := range busyRequests {
		parts := strings.Split(c.request, " ")
		host, path, method := []byte(parts[0]), []byte(parts[1]), []byte(parts[2])
		assert.Allocs(t, 0, func() {
			if got, _ := tree.Match(host, path, method); got != c.want {
				t.Fatalf("%s: %q", c.request, got)
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	run := func(name string, tree *Tree[string], request string) {
		parts := strings.Split(request, " ")
		host, path, method := []byte(parts[0]), []byte(parts[1]), []byte(parts[2])
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				tree.Match(host, path, method)
			}
		})
	}
	run("catch-all", mustCompileHTTP(b, httpRules("- - -")), "api.example.com /v1/users GET")
	small := mustCompileHTTP(b, httpRules("api.example.com /v1/*,/status GET,POST", "*.example.com /static/* -", "- /health -", "- - -"))
	run("small", small, "api.example.com /v1/users/7 GET")
	run("small-wildcard", small, "www.example.com /static/app.js GET")
	big := mustCompileHTTP(b, bigTable())
	for _, c := range busyRequests {
		run("big-"+c.name, big, c.request)
	}
}
