package conv

import (
	"errors"
	"strings"
	"testing"

	"sluice/internal/assert"
)

// parseOne reads a text with one script.
func parseOne(t *testing.T, text string) *Script {
	t.Helper()
	scripts, err := ParseScripts("test.txt", text)
	assert.NoError(t, err)
	assert.Equal(t, len(scripts), 1)
	return scripts[0]
}

// opening is the first half of a conversation.
const opening = "== it\nclient > %{get /}\norigin < %{got /}\n"

// A script that says something else than what happens has to fail, and to say at which line.
func TestWrongScriptsFail(t *testing.T) {
	t.Parallel()
	whole := opening + "origin > %{ok x}\nclient < %{ok x}\n"
	for name, c := range map[string]struct{ text, want string }{
		"other bytes at the origin": {"== it\nclient > %{get /}\norigin < %{got /b}\n", "test.txt:3: origin <: something else came"},
		"other bytes at the client": {opening + "origin > %{ok x}\nclient < %{ok y}\n", "test.txt:5: client <: something else came"},
		"another end":               {whole + "client ends\nclient sees reset\n", `over by "EOF", wanted: reset`},
		"bytes before the end":      {opening + "origin > %{ok x}\nclient sees end\n", "bytes before the end"},
		"bytes left at the client":  {opening + "origin > %{ok x}\n", "at the end, client has received"},
		"an end that is not named": {opening + "origin > HTTP/1.1 204 No Content\n | Connection: close\n |\nclient < HTTP/1.1 204 No Content\n |\n",
			"at the end, origin its stream is over"},
		"another page":              {"== it\nclient > nonsense\nclient sees page 404 close\n", "wanted page 404 close"},
		"a page that stays":         {"== it\nclient > nonsense\nclient sees page 400\n", "wanted page 400"},
		"something came":            {opening + "origin > %{ok x}\nclient sees nothing\n", "test.txt:5: client sees: has received"},
		"somebody came":             {"== it\nclient > %{get /}\norigin sees nothing\n", "somebody has connected"},
		"nobody was named":          {"== it\nclient > %{get /}\n", "somebody has connected to origin"},
		"another status in the log": {whole + "log done 404\n", `status is "200" and not "404"`},
		"a record too many":         {whole + "log done\nlog done\n", "there is none left"},
		"a record too few":          {opening + "origin ends\nclient sees page 502\norigin sees close\n", "the log says more"},
		"memory":                    {"== it\nclient >+ GET\nproxy holds 0\n", "buffers and pipes are in use"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := errors.Join(parseOne(t, c.text).Run(H1, 1, t.TempDir())...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestBadScriptsAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"client > x\n":                   "before the first script",
		"== a\n":                         "needs steps",
		"== a\nsettle\n== a\nsettle\n":   "a title of its own",
		"== a\n  | x\n":                  "nobody says",
		"== a\nnobody > x\n":             "nobody is called",
		"== a\nclient frobs\n":           "client cannot do",
		"== a\nclient sees everything\n": "client cannot do",
		"== a\nproxy sees end\n":         "proxy cannot do",
		"== a\nclient drains\n":          "client cannot do",
		"== a\nclient\n":                 "does nothing",
		"== a\ngiven nothing\n":          "nothing can be given",
		"== a\nlog\n":                    "without a reason",
		"== a\n!\n":                      "cannot read",
	} {
		_, err := ParseScripts("test.txt", text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	look := func(name string) (string, bool) { return "[" + name + "]", name == "proxy" }
	for raw, want := range map[string]string{
		`a\r\n\t\0\s\x41\\`: "a\r\n\t\x00 A\\",
		`%{ab*3}`:           "ababab",
		`%{\r\n*2}`:         "\r\n\r\n",
		`%{proxy}/`:         "[proxy]/",
		`%{ok hi}`:          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
		`%{get /a?b=%20}`:   "GET /a?b=%20 HTTP/1.1\r\nHost: site.test\r\n\r\n",
	} {
		pieces, err := expand([]textLine{{raw, true}}, look)
		assert.NoError(t, err)
		assert.Equal(t, string(pieces[0].bytes), want)
	}
	for _, raw := range []string{`\q`, `\x4`, `%{nobody}`, `%{ab*x}`, `%{ab`, `\`} {
		if _, err := expand([]textLine{{raw, true}}, look); err == nil {
			t.Errorf("%s is taken", raw)
		}
	}
}

// Bytes come in pieces; the verdict must not depend on how they were cut.
func TestPatterns(t *testing.T) {
	t.Parallel()
	look := func(string) (string, bool) { return "", false }
	for _, c := range []struct {
		pattern, bytes string
		want           verdict
		rest           string
	}{
		{`abc`, "abcd", matched, "d"},
		{`abc`, "ab", partial, ""},
		{`abc`, "abd", different, ""},
		{`a%{any}c\r\n`, "a123c\r\nx", matched, "x"},
		{`a%{any}c\r\n`, "a1\r\nc\r\n", different, ""},
		{`a%{any}c\r\n`, "a12", partial, ""},
		{`%{chunked hello}`, "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nx", matched, "x"},
		{`%{chunked hello}`, "5\r\nhello\r\n", partial, ""},
		{`%{chunked hello}`, "2\r\nhe\r\n0\r\n\r\n", different, ""},
		{`%{chunked hello}`, "5\r\nhallo\r\n0\r\n\r\n", different, ""},
		{`%{date}`, "Thu, 01 Jan 1970 00:00:00 GMT", different, ""},
		{`%{date}`, "yesterday", partial, ""},
	} {
		pieces, err := expand([]textLine{{c.pattern, true}}, look)
		assert.NoError(t, err)
		for cut := range len(c.bytes) + 1 {
			m := matcher{pieces: append([]piece(nil), pieces...)}
			n, got := m.take([]byte(c.bytes[:cut]))
			if got == partial {
				var more int
				more, got = m.take([]byte(c.bytes[n:]))
				n += more
			}
			if got != c.want || got == matched && cut == len(c.bytes) && c.bytes[n:] != c.rest {
				t.Errorf("%s, %q cut at %d: verdict %d, rest %q", c.pattern, c.bytes, cut, got, c.bytes[n:])
			}
		}
	}
}
