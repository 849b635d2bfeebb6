package redirect

import (
	"net/url"
	"testing"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/record"
	"sluice/internal/assert"
	"sluice/internal/featuretest"
)

func ask(r featuretest.Request, from configs.Redirect) featuretest.Answer {
	return featuretest.Ask(r, &exchange.Route{Handler: Compile(&from), Connect: true})
}

func TestEveryStatus(t *testing.T) {
	t.Parallel()
	for status, body := range map[int]string{301: "301 Moved Permanently\n", 302: "302 Found\n", 303: "303 See Other\n",
		307: "307 Temporary Redirect\n", 308: "308 Permanent Redirect\n"} {
		answer := ask(featuretest.Request{}, configs.Redirect{To: "/new", Status: status})
		assert.Equal(t, answer.Status, status)
		assert.Equal(t, answer.Body, body)
		assert.Equal(t, answer.Fields, []string{"Location: /new", "Content-Type: text/plain; charset=utf-8", featuretest.Date})
		assert.Equal(t, answer.Reason, record.Done)

		answer = ask(featuretest.Request{Method: "HEAD"}, configs.Redirect{To: "/new", Status: status})
		assert.Equal(t, answer.Body, "")
		assert.Equal(t, answer.Length, int64(len(body)))
	}
}

func TestLocation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ to, target, host, want string }{
		{"https://new.example.com{uri}", "/a%20b?c=d", "a", "https://new.example.com/a%20b?c=d"},
		{"https://{host}{uri}", "/", "WWW.example.com:8080", "https://www.example.com/"},
		{"https://{host}:8443{path}", "/a?b", "[::1]:80", "https://[::1]:8443/a"},
		{"{scheme}://new/?from={query}", "/a?b=c", "a", "http://new/?from=b=c"},
		{"/new{uri}", "//evil.example/", "a", "/new//evil.example/"},
		{"https://new{uri}", "/\\evil\r\nSet-Cookie: a=b \xff", "a", "https://new/%5Cevil%0D%0ASet-Cookie:%20a=b%20%FF"},
		{"https://new{uri}", "*", "a", "https://new/"},
		{"https://new{path}", "*", "-", "https://new/"},
	} {
		answer := ask(featuretest.Request{Target: c.target, Host: c.host}, configs.Redirect{To: c.to, Status: 308})
		assert.Equal(t, answer.Fields[0], "Location: "+c.want)
	}
	answer := ask(featuretest.Request{Method: "CONNECT", Target: ".evil.example:443"}, configs.Redirect{To: "https://new{uri}", Status: 308})
	assert.Equal(t, answer.Fields[0], "Location: https://new/")
}

func TestNoHostToRedirectTo(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"-", "a..b", "a\r\nb"} {
		answer := ask(featuretest.Request{Host: host}, configs.Redirect{To: "https://{host}{uri}", Status: 308})
		assert.Equal(t, answer.Status, 400)
		assert.Equal(t, answer.Reason, record.BadRequest)
	}
}

// Location is a URI with the host that was meant, whatever was asked for.
func FuzzLocation(f *testing.F) {
	f.Add("/a?b")
	f.Add("@evil.example")
	f.Add("//evil\\")
	f.Add(":80")
	h := Compile(&configs.Redirect{To: "https://new.example.com{uri}", Status: 308})
	f.Fuzz(func(t *testing.T, target string) {
		answer := featuretest.Ask(featuretest.Request{Target: target}, &exchange.Route{Handler: h})
		location, err := url.Parse(answer.Fields[0][len("Location: "):])
		if err == nil && (location.Host != "new.example.com" || location.User != nil || location.Path == "") {
			t.Fatalf("%q leads to %v", target, location)
		}
	})
}
