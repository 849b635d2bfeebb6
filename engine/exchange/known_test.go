package exchange

import (
	"strings"
	"testing"

	"sluice/internal/assert"
)

// Every known name in several cases, and everything that is one letter away from it.
func TestKnownNames(t *testing.T) {
	t.Parallel()
	names := make(map[string]ID)
	for id := Other + 1; id < ids; id++ {
		if id.String() == "" || id.String() != strings.ToLower(id.String()) {
			t.Errorf("ID %d is called %q", id, id)
		}
		names[id.String()] = id
	}
	assert.Equal(t, len(names), int(ids)-1)
	for name, id := range names {
		for _, form := range []string{name, strings.ToUpper(name), alternating(name, 0), alternating(name, 1)} {
			assert.Equal(t, Known(form), id)
			assert.Equal(t, Known([]byte(form)), id)
		}
		for _, near := range nearMisses(name) {
			assert.Equal(t, Known(near), names[strings.ToLower(near)]) // Other, unless it is another known name
		}
	}
	for _, name := range []string{"", "x", strings.Repeat("x", 31), strings.Repeat("x", 32), strings.Repeat("host", 100)} {
		assert.Equal(t, Known(name), Other)
	}
	assert.Equal(t, Other.String(), "")
}

// alternating writes every other letter large.
func alternating(name string, from int) string {
	b := []byte(name)
	for i := from; i < len(b); i += 2 {
		b[i] = strings.ToUpper(string(b[i]))[0]
	}
	return string(b)
}

// nearMisses are the names that differ from one by one byte: one more, one less, or another one. Bytes that differ only in
// the bit that tells large letters from small ones are among them.
func nearMisses(name string) (all []string) {
	for i := range len(name) {
		all = append(all, name[:i]+name[i+1:], name[:i]+"x"+name[i:])
		for _, c := range []byte{'x', '_', name[i] ^ 0x20, name[i] ^ 0x80, 0} {
			if c != name[i] {
				all = append(all, name[:i]+string([]byte{c})+name[i+1:])
			}
		}
	}
	return append(all, name+" ", " "+name, name+"\x00", name+":")
}

// A carriage return is the "-" of small letters: 0x0D is 0x2D without the bit. Only letters may lose it.
func TestKnownFoldsLettersOnly(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"content\rlength", "transfer\rencoding", "x-forwarded\rfor"} {
		assert.Equal(t, Known(name), Other)
	}
}

// Codecs drop what is for one hop; the framing fields among them are theirs to write anew, but are never hop fields by
// name alone.
func TestHopFields(t *testing.T) {
	t.Parallel()
	hop := map[ID]bool{Connection: true, KeepAlive: true, ProxyConnection: true, TE: true, Upgrade: true, HTTP2Settings: true}
	for id := range ids {
		assert.Equal(t, id.Hop(), hop[id])
	}
}

func TestAllocKnownCostsNothing(t *testing.T) {
	names := [][]byte{[]byte("X-Forwarded-For"), []byte("cookie"), []byte("X-Something-Else")}
	assert.Allocs(t, 0, func() {
		for _, name := range names {
			Known(name)
		}
	})
}
