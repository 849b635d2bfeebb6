package upstream

import (
	"testing"

	"sluice/engine/exchange"
	"sluice/internal/assert"
)

func TestCookies(t *testing.T) {
	t.Parallel()
	const none = "(none)"
	for _, c := range []struct {
		fields []string
		want   string
	}{
		{nil, none},
		{[]string{""}, none},
		{[]string{"id=7"}, "7"},
		{[]string{"a=b; id=7; c=d"}, "7"},
		{[]string{"a=b;id=7"}, "7"},
		{[]string{"a=b ;\tid=7 "}, "7"},
		{[]string{"id=7; id=8"}, "7"},
		{[]string{"a=b", "id=7"}, "7"},
		{[]string{"id=a=b"}, "a=b"},
		{[]string{"id="}, ""},
		{[]string{"id"}, none},
		{[]string{"ID=7"}, none}, // cookies have a case
		{[]string{"xid=7; idx=8"}, none},
		{[]string{"a=id=7"}, none},
		{[]string{";;; ;=; id=7"}, "7"},
		{[]string{`id="7"`}, `"7"`},
		{[]string{"a=\"x; id=7\""}, `7"`}, // quotes mean nothing to a cookie's reader
	} {
		var h exchange.Head
		h.AddString("Not-Cookie", "id=wrong")
		for _, f := range c.fields {
			h.AddString("cookie", f)
		}
		got := none
		if value := cookie(&h, "id"); value != nil {
			got = string(value)
		}
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.fields, got, c.want)
		}
	}
	var h exchange.Head
	h.AddString("Cookie", "id=7")
	h.Drop(exchange.Cookie)
	assert.Equal(t, cookie(&h, "id") == nil, true)
}

func TestAllocCookies(t *testing.T) {
	var h exchange.Head
	h.AddString("Cookie", "a=b; c=d; session=0123456789abcdef; id=7")
	assert.Allocs(t, 0, func() {
		if string(cookie(&h, "id")) != "7" {
			t.Fatal("not found")
		}
	})
}
