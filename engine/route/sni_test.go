package route

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// rule writes a rule as "sni,sni|alpn,alpn"; "-" is no list at all. Its value is its name.
func rule(name, text string) Rule[string] {
	sni, alpn, _ := strings.Cut(text, "|")
	list := func(s string) []string {
		if s == "-" || s == "" && text != "" && !strings.Contains(text, "|") {
			return nil
		}
		return strings.Split(s, ",")
	}
	r := Rule[string]{Name: name, SNI: list(sni), Value: name}
	if alpn != "" {
		r.ALPN = list(alpn)
	}
	return r
}

func query(name string, alpn ...string) Query {
	q := Query{Name: []byte(name)}
	for _, p := range alpn {
		q.ALPN = append(append(q.ALPN, byte(len(p))), p...)
	}
	return q
}

func mustCompile(t testing.TB, rules []Rule[string]) *Table[string] {
	t.Helper()
	table, conflicts := Compile(rules)
	for _, c := range conflicts {
		t.Fatal(c)
	}
	return table
}

func TestPrecedence(t *testing.T) {
	table := mustCompile(t, []Rule[string]{
		rule("exact", "A.example.com.|-"),
		rule("exact h2", "a.example.com|h2,h3"),
		rule("exact old", "a.example.com|http/1.0"),
		rule("wild b", "*.b.example.com|-"),
		rule("wild", "*.example.com,*.example.org|-"),
		rule("only h2", "only.example.com|h2"),
		rule("deep only", "*.c.example.com|h2"),
		rule("none", "|-"),
		rule("none acme", "|acme-tls/1"),
		rule("any", "*|-"),
		rule("any pg", "-|postgresql"),
		rule("rest", "-|-"),
	})
	for _, c := range []struct {
		q    Query
		want string
	}{
		{query("a.example.com"), "exact"},
		{query("a.example.com", "spdy"), "exact"},
		{query("a.example.com", "x", "h3"), "exact h2"},
		{query("a.example.com", "http/1.0", "h2"), "exact old"}, // the client's order
		{query("a.example.com", "h2", "http/1.0"), "exact h2"},
		{query("x.example.com"), "wild"},
		{query("x.y.example.org"), "wild"},
		{query("x.y.b.example.com"), "wild b"},
		{query("b.example.com"), "wild"}, // not its own suffix
		{query("example.com"), "any"},
		{query("example.com", "postgresql"), "any pg"},
		{query("xexample.com"), "any"},
		{query("only.example.com", "h2"), "only h2"},
		{query("only.example.com", "h3"), "wild"}, // falls back to the less specific
		{query("x.c.example.com"), "wild"},
		{query("x.c.example.com", "h2"), "deep only"},
		{query(""), "none"},
		{query("", "acme-tls/1"), "none acme"},
		{query("", "postgresql"), "none"}, // nameless is more specific than any
		{query("com"), "any"},
		{Query{Name: []byte("a.example.com"), ALPN: []byte{9, 'h', '2'}}, "exact"}, // broken lists end, they do not panic
		{Query{Name: []byte("a.example.com"), ALPN: []byte{0, 2, 'h', '2'}}, "exact h2"},
	} {
		if got, ok := table.MatchTLS(c.q); !ok || got != c.want {
			t.Errorf("%q %q: %q, want %q", c.q.Name, c.q.ALPN, got, c.want)
		}
	}
	if got, ok := table.Default(); !ok || got != "rest" || !table.NeedsHello() {
		t.Errorf("default %q", got)
	}
}

func TestNothingMatches(t *testing.T) {
	table := mustCompile(t, []Rule[string]{rule("a", "a.example|h2")})
	for _, q := range []Query{query("a.example"), query("b.example", "h2"), query("", "h2")} {
		if got, ok := table.MatchTLS(q); ok || got != "" {
			t.Errorf("%q: %q", q.Name, got)
		}
	}
	if _, ok := table.Default(); ok || !table.NeedsHello() {
		t.Error("a default out of nothing")
	}
	catchAll := mustCompile(t, []Rule[string]{rule("all", "-|-")})
	if got, ok := catchAll.MatchTLS(query("x", "h2")); !ok || got != "all" || catchAll.NeedsHello() {
		t.Errorf("catch-all: %q %v", got, ok)
	}
	if table := mustCompile(t, nil); table.NeedsHello() {
		t.Error("an empty table needs a hello")
	}
	for _, text := range []string{"*|-", "|-", "-|h2", "*.a|-", "a|-"} {
		if !mustCompile(t, []Rule[string]{rule("x", text)}).NeedsHello() {
			t.Errorf("%q needs no hello", text)
		}
	}
}

func TestConflicts(t *testing.T) {
	for _, c := range []struct {
		first, second string
		want          string
	}{
		{"a.example|-", "b.example,A.Example.|-", `routes "1" and "2" both take sni "a.example"`},
		{"*.a|-", "*.a|-", `routes "1" and "2" both take sni "*.a"`},
		{"a|h2,h3,x", "a|y,h3,h2", `routes "1" and "2" both take sni "a" with alpn "h3"`},
		{"-|h2", "*|h2", `routes "1" and "2" both take sni "*" with alpn "h2"`},
		{"|-", "|-", `routes "1" and "2" both take sni ""`},
		{"-|-", "-|-", `routes "1" and "2" both take every connection`},
		{"a|h2", "a|-", ""},
		{"a|h2", "a|h3", ""},
		{"*.a|-", "a|-", ""},
		{"a,A,a.|-", "b|h2,h2", ""}, // a rule does not conflict with itself
		{"-|-", "*|-", ""},
		{"a.*.b|-", "c|-", `route "1": "a.*.b" is not a host name, "*.suffix", "*" or ""`},
		{"*.|-", "c|-", `route "1": "*." is not a host name, "*.suffix", "*" or ""`},
		{"*a|-", "c|-", `route "1": "*a" is not a host name, "*.suffix", "*" or ""`},
		{"bücher.example|-", "c|-", `route "1": "bücher.example" is not a host name, "*.suffix", "*" or ""`},
		{"a..b|-", "c|-", `route "1": "a..b" is not a host name, "*.suffix", "*" or ""`},
		{strings.Repeat("a", 64) + "|-", "c|-", `route "1": "` + strings.Repeat("a", 64) + `" is not a host name, "*.suffix", "*" or ""`},
		{"c|h2,", "d|-", `route "1": an ALPN protocol has 1 to 255 bytes`},
	} {
		_, conflicts := Compile([]Rule[string]{rule("1", c.first), rule("2", c.second)})
		var got []string
		for _, conflict := range conflicts {
			got = append(got, conflict.String())
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%q and %q:\n got %s\nwant %s", c.first, c.second, text, c.want)
		}
	}

	// All conflicts at once, with both places.
	_, conflicts := Compile([]Rule[string]{rule("1", "a,b|-"), rule("2", "c|-"), rule("3", "b,a,*x|-")})
	if len(conflicts) != 3 || conflicts[0].First != 0 || conflicts[0].Second != 2 || conflicts[2].Kind != BadName || conflicts[2].First != 2 {
		t.Fatalf("%+v", conflicts)
	}
}

// naive is the specification read aloud: score every pattern of every rule, then fall back by score.
func naive(rules []Rule[string], name string, alpn []string) (best string, ok bool) {
	top := -1
	for _, r := range rules {
		patterns := r.SNI
		if patterns == nil && r.ALPN != nil {
			patterns = []string{"*"}
		}
		score := -1
		for _, p := range patterns {
			suffix, wild := strings.CutPrefix(p, "*.")
			switch {
			case p == "*":
				score = max(score, 1000)
			case p == "" && name == "":
				score = max(score, 2000)
			case wild && strings.HasSuffix(name, "."+suffix):
				score = max(score, 3000+1000*len(suffix))
			case !wild && p != "" && p == name:
				score = max(score, 1000000)
			}
		}
		if patterns == nil {
			score = 0
		}
		if score >= 0 && r.ALPN != nil {
			at := slices.IndexFunc(alpn, func(p string) bool { return slices.Contains(r.ALPN, p) })
			if at < 0 {
				continue
			}
			score += 500 - at
		}
		if score > top {
			top, best, ok = score, r.Value, true
		}
	}
	return best, ok
}

func TestAgainstNaiveModel(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	labels, protocols := []string{"a", "b", "cc"}, []string{"h2", "h3", "x"}
	pick := func(from []string, most int) (out []string) {
		for range random.IntN(most + 1) {
			out = append(out, from[random.IntN(len(from))])
		}
		return out
	}
	name := func() string { return strings.Join(pick(labels, 4), ".") }
	tables, matched := 0, 0
	for range 4000 {
		var rules []Rule[string]
		for i := range 1 + random.IntN(5) {
			r := Rule[string]{Name: fmt.Sprint(i), Value: fmt.Sprint(i), ALPN: pick(protocols, 2)}
			for range random.IntN(3) {
				pattern := name()
				switch n := random.IntN(4); {
				case n == 0:
					pattern = "*"
				case n == 1 && pattern != "":
					pattern = "*." + pattern
				}
				r.SNI = append(r.SNI, pattern)
			}
			rules = append(rules, r)
		}
		table, conflicts := Compile(rules)
		if len(conflicts) > 0 {
			continue
		}
		tables++
		for range 20 {
			host, alpn := name(), pick(protocols, 3)
			got, ok := table.MatchTLS(query(host, alpn...))
			want, wantOK := naive(rules, host, alpn)
			if got != want || ok != wantOK {
				t.Fatalf("%+v\n%q %q: %q %v, want %q %v", rules, host, alpn, got, ok, want, wantOK)
			}
			if ok {
				matched++
			}
		}
	}
	if tables < 1000 || matched < 5000 {
		t.Fatalf("only %d tables and %d matches were compared", tables, matched)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	table := mustCompile(t, []Rule[string]{rule("a", "*.example.com|h2"), rule("b", "a.example.org|-"), rule("c", "-|-")})
	q := query("x.y.z.example.com", "http/1.1", "h2")
	if n := testing.AllocsPerRun(100, func() {
		if got, _ := table.MatchTLS(q); got != "a" {
			t.Fatal(got)
		}
		table.Default()
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkMatchTLS(b *testing.B) {
	rules := []Rule[string]{rule("rest", "-|-")}
	for i := range 10000 {
		rules = append(rules, rule(fmt.Sprint(i), fmt.Sprintf("h%d.example.com,*.w%d.example.com|-", i, i)))
	}
	table := mustCompile(b, rules)
	for _, name := range []string{"h77.example.com", "x.y.w77.example.com", strings.Repeat("a.", 126) + "b"} {
		q := query(name, "h2", "http/1.1")
		b.Run(fmt.Sprint(len(name)), func(b *testing.B) {
			for b.Loop() {
				table.MatchTLS(q)
			}
		})
	}
}
