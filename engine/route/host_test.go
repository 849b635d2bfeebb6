package route

import (
	"net/url"
	"strings"
	"testing"
	"unsafe"

	"sluice/internal/assert"
)

var (
	label63  = strings.Repeat("a", 63)
	host255  = strings.Join([]string{label63, label63, label63, label63}, ".")
	testHost = []struct{ host, want string }{ // "" = refused
		{"a", "a"},
		{"api.example.com", "api.example.com"},
		{"API.Example.com:8080", "api.example.com"},
		{"a.example.:80", "a.example"},
		{"a.example:", "a.example"},
		{"a:0", "a"},
		{"a:65535", "a"},
		{"a:00080", "a"},
		{"x_y-z.0", "x_y-z.0"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"127.0.0.1:80", "127.0.0.1"},
		{"[::1]", "[::1]"},
		{"[::1]:80", "[::1]"},
		{"[::1]:", "[::1]"},
		{"[2001:DB8::1]:443", "[2001:db8::1]"},
		{"[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]"},
		{host255, host255},
		{host255 + ".:65535", host255},

		{"", ""},
		{".", ""},
		{":80", ""},
		{".:80", ""},
		{".a", ""},
		{"a..b", ""},
		{"a..", ""},
		{"a:65536", ""},
		{"a:000080", ""},
		{"a:-1", ""},
		{"a:+1", ""},
		{"a:8x", ""},
		{"a:80:80", ""},
		{"a b", ""},
		{" a", ""},
		{"a,b", ""},
		{"a%41", ""},
		{"user@a", ""},
		{"a/b", ""},
		{"a\\b", ""},
		{"a*", ""},
		{"a\x00", ""},
		{"a\r", ""},
		{"bücher.example", ""},
		{"::1", ""},
		{"[", ""},
		{"[]", ""},
		{"[]:80", ""},
		{"[::1", ""},
		{"[::1:80", ""},
		{"[::1]80", ""},
		{"[::1].", ""},
		{"[::1]]", ""},
		{"[::1]:80]", ""},
		{"[::1%25eth0]", ""},
		{"[::1%eth0]", ""},
		{"[1.2.3.4]", ""},
		{"[v1.a]", ""},
		{"[::g]", ""},
		{"a[::1]", ""},
		{host255 + "a", ""},
		{"[" + strings.Repeat("0", 300) + "]", ""},
	}
)

func TestNormalHost(t *testing.T) {
	for _, c := range testHost {
		for _, dst := range [][]byte{nil, make([]byte, 300)} {
			host := []byte(c.host)
			got, ok := NormalHost(dst, host)
			if string(got) != c.want || ok != (c.want != "") || string(host) != c.host {
				t.Errorf("%q: %q %v, want %q", c.host, got, ok, c.want)
			}
		}
	}
}

func TestNormalHostCopiesOnlyCapitals(t *testing.T) {
	dst := make([]byte, 0, 64)
	for host, copied := range map[string]bool{"a.b": false, "a.b.:80": false, "[::1]:80": false, "a.B": true, "[::A]": true} {
		in := []byte(host)
		out, _ := NormalHost(dst, in)
		origin := in
		if copied {
			origin = dst[:1]
		}
		assert.Equal(t, unsafe.SliceData(out) == unsafe.SliceData(origin), true)
	}
}

func TestNormalHostAllocs(t *testing.T) {
	dst := make([]byte, 0, 64)
	for _, text := range []string{"api.example.com:80", "API.example.com.", "[2001:DB8::1]:443"} {
		host := []byte(text)
		assert.Allocs(t, 0, func() { NormalHost(dst, host) })
	}
}

func FuzzNormalHost(f *testing.F) {
	for _, c := range testHost {
		f.Add([]byte(c.host))
	}
	f.Fuzz(func(t *testing.T, host []byte) {
		got, ok := NormalHost(nil, host)
		if !ok {
			return
		}
		if again, ok := NormalHost(nil, got); !ok || string(again) != string(got) {
			t.Fatalf("%q became %q, then %q %v", host, got, again, ok)
		}
		if len(got) > len(host) || len(got) == 0 || len(got) > maxHost {
			t.Fatalf("%q became %q", host, got)
		}
		u, err := url.Parse("http://" + string(host) + "/")
		if err != nil {
			t.Fatalf("%q was accepted: %v", host, err)
		}
		if want := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."); want != strings.Trim(string(got), "[]") {
			t.Fatalf("%q became %q, and %q in the standard library", host, got, want)
		}
	})
}

func BenchmarkNormalHost(b *testing.B) {
	dst := make([]byte, 0, 256)
	for _, text := range []string{"api.example.com:8080", "API.example.com", "[2001:db8::1]:443"} {
		host := []byte(text)
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				NormalHost(dst, host)
			}
		})
	}
}
