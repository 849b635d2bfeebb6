package route

import (
	"net/url"
	"path"
	"strings"
	"testing"
	"unsafe"

	"sluice/internal/assert"
)

var normalPaths = []struct{ target, want string }{ // "" = refused
	{"/", "/"},
	{"*", "*"},
	{"/a/b.c/d..e/", "/a/b.c/d..e/"},
	{"/a?b/../c", "/a"},
	{"/?", "/"},
	{"/a//b///c//", "/a/b/c/"},
	{"//", "/"},
	{"/.", "/"},
	{"/./", "/"},
	{"/a/.", "/a/"},
	{"/a/./b", "/a/b"},
	{"/a/..", "/"},
	{"/a/b/..", "/a/"},
	{"/a/b/../", "/a/"},
	{"/x/../admin", "/admin"},
	{"/a/../b/../c?..", "/c"},
	{"/a/../b//c", "/b/c"},
	{"/.well-known/x", "/.well-known/x"},
	{"/...", "/..."},
	{"/..a/.b", "/..a/.b"},
	{"/%61dmin", "/admin"},
	{"/%41%2d%5F%7e", "/A-_~"},
	{"/x/%2e%2E/admin", "/admin"},
	{"/x/.%2e/admin", "/admin"},
	{"/%2e/admin", "/admin"},
	{"/a%2fb", "/a%2Fb"},
	{"/a/..%2fb", "/a/..%2Fb"}, // an encoded slash separates nothing
	{"/%252e%252e/", "/%252e%252e/"},
	{"/%25", "/%25"},
	{"/a%00.html", "/a%00.html"},
	{"/a%3Fb%3fc%23d", "/a%3Fb%3Fc%23d"},
	{"/caf%C3%A9%20%FF", "/café \xff"},
	{"/a;b=c,d/e+f", "/a;b=c,d/e+f"},

	{"", ""},
	{"?a", ""},
	{"a", ""},
	{"**", ""},
	{"*?a", ""},
	{"a.example:443", ""},
	{"http://a.example/", ""},
	{"/..", ""},
	{"/../a", ""},
	{"/a/../..", ""},
	{"/./..", ""},
	{"/%2e%2e", ""},
	{"/a//../b", ""}, // "/a/b" or "/b"
	{"//a/b/../..", ""},
	{"/a/%2F/../..//..", ""},
	{"/%", ""},
	{"/%4", ""},
	{"/%4?1", ""},
	{"/%g0", ""},
	{"/%0g", ""},
	{"/%%41", ""},
	{"/a%4/", ""},
	{"/a\x00", ""},
	{"/%41\x00", ""},
	{"/a#b", ""},
}

func TestNormalPath(t *testing.T) {
	for _, c := range normalPaths {
		for _, dst := range [][]byte{nil, []byte("garbage that is long enough for every path")} {
			target := []byte(c.target)
			got, ok := NormalPath(dst, target)
			if string(got) != c.want || ok != (c.want != "") || string(target) != c.target {
				t.Errorf("%q: %q %v, want %q", c.target, got, ok, c.want)
			}
		}
	}
}

func TestNormalPathCopiesOnlyWhatChanges(t *testing.T) {
	dst := make([]byte, 0, 64)
	for target, copied := range map[string]bool{"/a/b?c": false, "/": false, "*": false, "/a//b": true, "/%61": true, "/a/..": true} {
		in := []byte(target)
		out, _ := NormalPath(dst, in)
		origin := in
		if copied {
			origin = dst[:1]
		}
		assert.Equal(t, unsafe.SliceData(out) == unsafe.SliceData(origin), true)
	}
}

func TestNormalPathAllocs(t *testing.T) {
	dst := make([]byte, 0, 64)
	for _, text := range []string{"/a/b/c.html?d=e", "/a//b/../%63/./d%2F"} {
		target := []byte(text)
		assert.Allocs(t, 0, func() { NormalPath(dst, target) })
	}
}

func FuzzNormalPath(f *testing.F) {
	for _, c := range normalPaths {
		f.Add([]byte(c.target))
	}
	f.Fuzz(func(t *testing.T, target []byte) {
		got, ok := NormalPath(nil, target)
		if !ok {
			return
		}
		if string(got) == "*" {
			return
		}
		if again, ok := NormalPath(nil, got); !ok || string(again) != string(got) {
			t.Fatalf("%q became %q, then %q %v", target, got, again, ok)
		}
		if len(got) > len(target) || len(got) == 0 {
			t.Fatalf("%q became %q", target, got)
		}
		segments := strings.Split(string(got), "/")
		for i, segment := range segments[1:] {
			if segment == "." || segment == ".." || segment == "" && i+2 < len(segments) || strings.ContainsAny(segment, "?#\x00") {
				t.Fatalf("%q became %q", target, got)
			}
		}
		comparePath(t, string(target), string(got))
	})
}

// comparePath compares with the standard library, which agrees wherever nothing has to stay encoded.
func comparePath(t *testing.T, target, got string) {
	before, _, _ := strings.Cut(target, "?")
	upper := strings.ToUpper(before)
	for _, kept := range []string{"%00", "%23", "%25", "%2F", "%3F"} {
		if strings.Contains(upper, kept) {
			return
		}
	}
	decoded, err := url.PathUnescape(before)
	if err != nil {
		t.Fatalf("%q was accepted: %v", target, err)
	}
	if want := path.Clean(decoded); want != got && want+"/" != got {
		t.Fatalf("%q became %q, and %q in the standard library", target, got, want)
	}
}

func BenchmarkNormalPath(b *testing.B) {
	dst := make([]byte, 0, 256)
	for name, text := range map[string]string{"normal": "/v1/users/7/orders?page=2", "changed": "/v1//users/./7/%6frders?page=2"} {
		target := []byte(text)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				NormalPath(dst, target)
			}
		})
	}
}
