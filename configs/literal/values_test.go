package literal

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestDurationsAndSizes(t *testing.T) {
	for text, want := range map[string]time.Duration{"30s": 30 * time.Second, "1h30m": 90 * time.Minute, "1.5s": 1500 * time.Millisecond, "0s": 0} {
		if got, err := Duration(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for text, want := range map[string]Size{"0B": 0, "16KiB": 16 << 10, "3MiB": 3 << 20, "1TiB": 1 << 40} {
		got, err := ParseSize(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "30", "0", "-1s", "+1s", "s", "1 s", "1d", "9999999999999h"} {
		if d, err := Duration(text); err == nil {
			t.Errorf("duration %q is %v", text, d)
		}
	}
	for _, text := range []string{"", "1", "KiB", "1KB", "1.5KiB", "-1KiB", "1 KiB", "99999999999TiB", "99999999999999999999B"} {
		if s, err := ParseSize(text); err == nil {
			t.Errorf("size %q is %v", text, s)
		}
	}
}

func TestLogTargets(t *testing.T) {
	for text, want := range map[string]string{"off": "off", "./off": "./off", "a.log": "./a.log", "/var/log/a": "/var/log/a"} {
		if got, err := LogTarget(text, "."); err != nil || got != want {
			t.Errorf("%s: %q %v", text, got, err)
		}
	}
}

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "x", "EMPTY": "", "TRICK": "${A}"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	for text, want := range map[string]string{
		"plain": "plain", "$A $": "$A $", "${A}": "x", "-${A}${A}-": "-xx-", "${B:-d}": "d", "${B:-}": "", "${EMPTY}": "",
		"${EMPTY:-d}": "d", "${A:-d}": "x", "$${A}": "${A}", "$${A}${A}": "${A}x", "${TRICK}": "${A}", "${B:-a:-b}": "a:-b",
	} {
		if got, err := Expand(text, lookup); err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"${B}", "${", "${A", "${}", "${1}", "${a b}", "${:-x}", "${A}${B}"} {
		if got, err := Expand(text, lookup); err == nil {
			t.Errorf("%s is %q", text, got)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := edits(c.a, c.b); got != c.want || edits(c.b, c.a) != c.want {
			t.Errorf("%q %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"listeners", "routes", "upstreams", "v1", "warn", "max_connections"}
	for word, want := range map[string]string{"listner": "listeners", "Routes": "routes", "warning": "warn", "max-connection": "max_connections",
		"v3": "", "tls": "", "": "", strings.Repeat("x", 1000): ""} {
		if got, _ := Nearest(word, words); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

// FuzzValues: no parser of a value panics, and what is accepted keeps the promises of Config.
func FuzzValues(f *testing.F) {
	for _, seed := range []string{"", "*", "*.a.example", "[::1]", "/a/*", "/%41", "GET", "websocket", "X-A", "https://{host}{uri}", "/{path}", "header:X", "1KiB/s",
		"http://a:1/", "dns://a:1", "srv://_a._b.c", "file:a", "200-399", "125%", "/a?b=c", "a{2}", "503", "[::1]:53", "{host}:80", "https://a{query}", "//", "https://a/\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		reject := func(what, got string, bad bool) {
			if bad {
				t.Errorf("%s: %q gives %q", what, text, got)
			}
		}
		if v, err := Host(text); err == nil {
			reject("host", v, v == "" || v != strings.ToLower(v) || strings.ContainsAny(v, "/ \t\r\n"))
		}
		if v, err := PathPattern(text); err == nil {
			reject("path", v, !strings.HasPrefix(v, "/") || strings.ContainsAny(v, "?# \t\r\n") || strings.Contains(strings.TrimSuffix(v, "*"), "*"))
		}
		if v, err := StripPrefix(text); err == nil {
			reject("strip_prefix", v, !strings.HasPrefix(v, "/") || strings.HasSuffix(v, "/"))
		}
		if v, err := Field(text); err == nil {
			reject("field", v, v == "" || strings.ContainsAny(v, ": \t\r\n"))
		}
		if v, err := FieldValue(text); err == nil {
			reject("value", v, strings.ContainsAny(v, "\x00\r\n"))
		}
		if v, err := Location(text); err == nil {
			reject("location", v, strings.ContainsAny(v, "\\ \t\r\n") || strings.HasPrefix(v, "//") || strings.HasPrefix(v, "/{path}"))
		}
		if v, err := NewHost(text); err == nil {
			reject("rewrite.host", v, v == "" || strings.ContainsAny(v, "/@?# \t\r\n"))
		}
		if v, err := Target(text); err == nil {
			reject("target", v, !strings.HasPrefix(v, "/") || strings.ContainsAny(v, "# \t\r\n"))
		}
		if v, err := Authority(text); err == nil {
			reject("authority", v, v == "" || strings.ContainsAny(v, "/@?# \t\r\n"))
		}
		if v, err := PlainValue(text); err == nil {
			reject("plain value", v, strings.ContainsAny(v, "\x00\r\n"))
		}
		if v, err := CookieName(text); err == nil {
			reject("cookie", v, v == "" || strings.ContainsAny(v, "=;, \t\r\n"))
		}
		if v, err := BearerToken(text); err == nil {
			reject("token", v, v != "" && len(v) < secretMin || strings.ContainsAny(v, " \t\r\n"))
		}
		if r, err := Statuses(text); err == nil {
			reject("statuses", text, r.From < 200 || r.From > r.To || r.To > 599)
		}
		if a, err := Resolver(text); err == nil {
			reject("resolver", a.String(), !a.IsValid() || a.Port() == 0 || a.Addr().Is4In6())
		}
		if a, err := Server(text, "/"); err == nil {
			again, err := Server(a.String(), "/")
			a.Scheme = "" // is not part of where a server is
			reject("server", a.String(), err != nil || again != a)
		}
		if _, err := Pattern(text); err != nil && HintOf(err) == "" {
			t.Errorf("pattern: %q: %v has no hint", text, err)
		}
		for _, k := range []func(string) (string, error){Method, Upgrade, HashKey, RequestField, Body, SNI, ALPN, Name, ServerName, RetryCause, Secret} {
			_, _ = k(text)
		}
		_, _ = Rate(text)
		_, _ = Duration(text)
		_, _ = Prefix(text)
		_, _ = FixedServer(text, "/")
		_, _ = Percent(text)
		_, _ = Port(text)
		_, _ = Bind(text, "/")
	})
}

func TestServersAndWhereTheyAreFound(t *testing.T) {
	for text, want := range map[string]Address{
		"dns://App.example:80":         {Network: "dns", Host: "app.example", Port: 80},
		"dns://app.example.:80":        {Network: "dns", Host: "app.example.", Port: 80},
		"srv://_HTTP._tcp.app.example": {Network: "srv", Host: "_http._tcp.app.example"},
		"file:a/../b.txt":              {Network: "file", Path: "/etc/b.txt"},
		"file:///srv/b.txt":            {Network: "file", Path: "/srv/b.txt"},
		"file:/srv/b.txt":              {Network: "file", Path: "/srv/b.txt"},
		"http://[::ffff:10.0.0.1]:80":  {Network: "tcp", Host: "10.0.0.1", Port: 80, Scheme: "http"},
		"https://app:443/":             {Network: "tcp", Host: "app", Port: 443, Scheme: "https"},
		"srv:80":                       {Network: "tcp", Host: "srv", Port: 80}, // a host of that name
		"unix:x":                       {Network: "unix", Path: "/etc/x"},
	} {
		got, err := Server(text, "/etc")
		if err != nil || got != want {
			t.Errorf("%s: %+v %v", text, got, err)
		}
		again, err := Server(got.String(), "/")
		want.Scheme = "" // is not part of where a server is
		if err != nil || again != want {
			t.Errorf("%s is written %s, which is %+v %v", text, got, again, err)
		}
	}
	for _, text := range []string{"dns://a:1", "srv://_a._b.c", "file:a", "file:///a"} {
		if a, err := FixedServer(text, "/"); err == nil {
			t.Errorf("%s is the server %+v", text, a)
		}
	}
}

func TestResolvers(t *testing.T) {
	for text, want := range map[string]string{"127.0.0.1": "127.0.0.1:53", "::1": "[::1]:53", "[::1]": "[::1]:53", "127.0.0.1:5353": "127.0.0.1:5353",
		"[::1]:5353": "[::1]:5353", "::ffff:10.0.0.1": "10.0.0.1:53"} {
		if got, err := Resolver(text); err != nil || got.String() != want {
			t.Errorf("%s: %s %v", text, got, err)
		}
	}
}

func TestWhereAPatternIsWrong(t *testing.T) {
	for text, want := range map[string]string{"(a": "character 3", "é)": "character 2", "(a))(b": "character 4", `a\`: "character 3", "ab[c": "character 3", "a**": "character 2",
		"x{3,2}": "character 2"} {
		if _, err := Pattern(text); err == nil || !strings.Contains(err.Error(), want+":") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestHideSecrets(t *testing.T) {
	known := map[string][]string{"ttl": {"sticky"}, "to": {"access"}, "keys": {"somewhere"}}
	for text, want := range map[string]string{
		"key: abc":                              "key: ***",
		"  key: a b, c  ":                       "  key: ******  ",
		"- key: abc":                            "- key: ***",
		"{key: a b, c: d}":                      "{key: ***, c: d}",
		`{"key":"a\"b", c: d}`:                  `{"key":******, c: d}`,
		"{'token': 'a, b'}":                     "{'token': ******}",
		"token:\n  abc":                         "token:\n  ***",
		"token: \"é":                            "token: **",
		"tokn: abc":                             "tokn: ***",
		"keys: abc":                             "keys: abc",
		"ttl: abc":                              "ttl: abc",
		"monkey: abc":                           "monkey: abc",
		`key: "${A}"`:                           `key: "${A}"`,
		"key: ${A:-}":                           "key: ${A:-}",
		"key: ${A:-abc}":                        "key: *********",
		"key: key: abc":                         "key: ********",
		"key:":                                  "key:",
		"a: [{key: x}, {key: y}]\nkey: 'z' # k": "a: [{key: *}, {key: *}]\nkey: *** # k",
	} {
		if got := HideSecrets(text, known); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzHideSecrets: places stay where they are, and a secret that is written the usual ways is gone.
func FuzzHideSecrets(f *testing.F) {
	for _, seed := range []string{"", "key: abc", "{token:\"a\\\"", "key:\n key:\n key", "é: {tokn: 'x'", "key: ${A}", "key: \xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return // such a file is not read
		}
		got := HideSecrets(text, nil)
		if utf8.RuneCountInString(got) != utf8.RuneCountInString(text) || strings.Count(got, "\n") != strings.Count(text, "\n") {
			t.Errorf("%q: %q moves what follows", text, got)
		}
		const secret = "correct-horse-battery"
		if strings.Contains(text, secret) {
			return
		}
		for _, after := range []string{"\ntoken: " + secret, "\n\"key\": \"" + secret + "\"", "\n{token: '" + secret + "', a: b}", "\nkey:\n  " + secret} {
			if got := HideSecrets(text+after, nil); strings.Contains(got, secret) {
				t.Errorf("%q: %q", text+after, got)
			}
		}
	})
}
