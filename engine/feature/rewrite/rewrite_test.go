package rewrite

import (
	"strings"
	"testing"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/template"
	"sluice/internal/assert"
	"sluice/internal/featuretest"
)

func ask(r featuretest.Request, rules configs.Rewrite) *featuretest.Origin {
	origin := new(featuretest.Origin)
	featuretest.Ask(r, &exchange.Route{Gates: []exchange.Gate{Compile(rules)}, Handler: origin, Connect: true})
	return origin
}

func TestNothingToRewrite(t *testing.T) {
	t.Parallel()
	assert.Equal(t, Compile(configs.Rewrite{}), nil)
}

func TestStripPrefix(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"/v1":                  "/",
		"/v1/":                 "/",
		"/v1/users":            "/users",
		"/v1/users/?a=/v1/b":   "/users/?a=/v1/b",
		"/v1?a=b":              "/?a=b",
		"/v1?":                 "/?",
		"/v1//evil.example/a":  "/evil.example/a",
		"/v1///":               "/",
		"/v1/v1":               "/v1",
		"/v10":                 "/v10",
		"/v1%2Fa":              "/v1%2Fa",
		"/%761/a":              "/%761/a",
		"/V1/a":                "/V1/a",
		"/a/v1/b":              "/a/v1/b",
		"/v":                   "/v",
		"/":                    "/",
		"*":                    "*",
		"//v1/a":               "//v1/a",
		"/v1/%2e%2e/a;b?c%zz?": "/%2e%2e/a;b?c%zz?",
	} {
		origin := ask(featuretest.Request{Target: target}, configs.Rewrite{StripPrefix: "/v1"})
		if origin.Target != want {
			t.Errorf("%s becomes %s, want %s", target, origin.Target, want)
		}
	}
}

func TestHost(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"app.internal:8080":   "app.internal:8080",
		"{host}.internal":     "www.example.com.internal",
		"{host}:1":            "www.example.com:1",
		"[2001:db8::1]:{host": "[2001:db8::1]:{host",
	} {
		origin := ask(featuretest.Request{Host: "WWW.example.com:80", Fields: []string{"X-A: b"}}, configs.Rewrite{Host: rule})
		assert.Equal(t, origin.Fields, []string{"Host: " + want, "X-A: b"})
		assert.Equal(t, origin.Authority, want)
		assert.Equal(t, origin.Target, "/")
	}
	origin := ask(featuretest.Request{Host: "-"}, configs.Rewrite{Host: "app.internal"})
	assert.Equal(t, origin.Fields, []string{"Host: app.internal"})
	origin = ask(featuretest.Request{Host: "-"}, configs.Rewrite{Host: "{host}"})
	assert.Equal(t, len(origin.Fields), 0)
}

func TestConnectIsLeftAlone(t *testing.T) {
	t.Parallel()
	origin := ask(featuretest.Request{Method: "CONNECT", Target: "b.example:443", Host: "b.example:443"}, configs.Rewrite{StripPrefix: "/v1", Host: "app"})
	assert.Equal(t, origin.Target, "b.example:443")
	assert.Equal(t, origin.Authority, "b.example:443")
	assert.Equal(t, origin.Fields, []string{"Host: b.example:443"})
}

// The record says what was sent, and templates read it there.
func TestTheRecordKeepsWhatWasSent(t *testing.T) {
	t.Parallel()
	x := new(exchange.Exchange)
	featuretest.Request{Target: "/v1/a?b", Host: "a.example:80"}.Fill(x)
	Compile(configs.Rewrite{StripPrefix: "/v1", Host: "app"}).Check(x)
	assert.Equal(t, string(x.Record.Target), "/v1/a?b")
	assert.Equal(t, string(x.Record.Host), "a.example:80")
	said := template.Compile("{host}{uri}")
	assert.Equal(t, string(said.Append(nil, x, template.Field)), "a.example/v1/a?b")
}

// What is left of a target is a part of it behind one slash, whatever it was.
func FuzzStripPrefix(f *testing.F) {
	for _, seed := range []string{"/v1", "/v1//", "/v1?//", "/v10", "*", "/v1/../v1"} {
		f.Add(seed)
	}
	gate := Compile(configs.Rewrite{StripPrefix: "/v1"})
	f.Fuzz(func(t *testing.T, target string) {
		x := new(exchange.Exchange)
		featuretest.Request{Target: target}.Fill(x)
		before := string(x.Request.Bytes(x.Request.Target))
		gate.Check(x)
		after := string(x.Request.Bytes(x.Request.Target))
		if after == before {
			return
		}
		if !strings.HasPrefix(before, "/v1") || after[0] != '/' || strings.HasPrefix(after, "//") || !strings.HasSuffix(before, after[1:]) {
			t.Fatalf("%q becomes %q", before, after)
		}
		_, was, _ := strings.Cut(before, "?")
		_, is, _ := strings.Cut(after, "?")
		assert.Equal(t, is, was)
	})
}
