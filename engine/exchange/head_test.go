package exchange

// Heads against a model: a plain list of pairs, on which every method is a line or two.

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sluice/internal/assert"
)

// pair is one field of the model.
type pair struct{ name, value string }

// model is a head as its doc comments describe it.
type model []pair

func (m *model) remove(name string) {
	*m = slices.DeleteFunc(*m, func(p pair) bool { return strings.EqualFold(p.name, name) })
}

func (m *model) set(name, value string) {
	at := slices.IndexFunc(*m, func(p pair) bool { return strings.EqualFold(p.name, name) })
	if at < 0 {
		*m = append(*m, pair{name, value})
		return
	}
	(*m)[at].value = value
	rest := (*m)[at+1:]
	kept := slices.DeleteFunc(slices.Clone(rest), func(p pair) bool { return strings.EqualFold(p.name, name) })
	*m = append((*m)[:at+1], kept...)
}

func (m *model) get(name string) (string, bool) {
	for _, p := range *m {
		if strings.EqualFold(p.name, name) {
			return p.value, true
		}
	}
	return "", false
}

// listed is what of h would be sent.
func listed(h *Head) (m model) {
	for _, f := range h.Fields() {
		if !f.Gone {
			m = append(m, pair{string(h.Bytes(f.Name)), string(h.Bytes(f.Value))})
		}
	}
	return m
}

// vocabulary mixes known and other names, in several cases and of equal lengths.
var vocabulary = []string{
	"Host", "HOST", "host", "Cookie", "cookie", "Accept", "aCCept", "Expect", "Via", "vIA", "TE", "X-A", "x-a", "x-b", "X-Forwarded-For",
	"x-forwarded-for", "X-Forwarded-Bar", "Set-Cookie", "set-cookie", "Set-Cookif", "Content-Type", "Date", "Data", "Trailer", "a", "A",
}

func TestHeadIsAnOrderedList(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var h Head
		var m model
		var spans []Span   // handed out so far
		var texts []string // what they said then
		for step := range 120 {
			name := vocabulary[rng.IntN(len(vocabulary))]
			value := strings.Repeat(fmt.Sprint("v", step), rng.IntN(12))
			switch op := rng.IntN(10); op {
			case 0, 1:
				h.Add(name, []byte(value))
				m = append(m, pair{name, value})
			case 2, 3:
				h.AddString(name, value)
				m = append(m, pair{name, value})
			case 4:
				h.Set(name, []byte(value))
				m.set(name, value)
			case 5:
				h.SetString(name, value)
				m.set(name, value)
			case 6:
				h.Remove(name)
				m.remove(name)
			case 7:
				if id := Known(name); id != Other {
					h.Drop(id)
					m.remove(name)
				}
			case 8:
				spans, texts = append(spans, h.StoreString(value)), append(texts, value)
				spans, texts = append(spans, h.Scratch(func(b []byte) []byte { return append(b, name...) })), append(texts, name)
			case 9:
				if rng.IntN(10) == 0 {
					h.Reset()
					m, spans, texts = nil, nil, nil
				}
			}
			check(t, &h, m)
			for i, s := range spans { // they stay where they are while the arena grows
				if string(h.Bytes(s)) != texts[i] {
					t.Fatalf("a span says %q, and said %q", h.Bytes(s), texts[i])
				}
			}
		}
	}
}

// check compares all that can be asked about h with the model.
func check(t *testing.T, h *Head, m model) {
	t.Helper()
	if got := listed(h); !slices.Equal(got, m) {
		t.Fatalf("got  %v\nwant %v", got, m)
	}
	for _, name := range vocabulary {
		want, there := m.get(name)
		got, ok := h.Get(name)
		if ok != there || string(got) != want {
			t.Fatalf("Get(%q) is %q, %v in %v", name, got, ok, m)
		}
		id := Known(name)
		if id == Other {
			continue
		}
		if h.Has(id) != there || string(h.Value(id)) != want || h.Index(id) >= 0 != there {
			t.Fatalf("Has, Value and Index of %s are %v, %q, %d in %v", id, h.Has(id), h.Value(id), h.Index(id), m)
		}
	}
}

// What a field is called is what was sent, whoever looks for it or changes its value.
func TestEditsKeepPlaceCaseAndTheOthers(t *testing.T) {
	t.Parallel()
	var h Head
	for _, p := range []pair{{"b", "1"}, {"X-FOO", "2"}, {"Cookie", "3"}, {"x-foo", "4"}, {"COOKIE", "5"}, {"a", "6"}} {
		h.AddString(p.name, p.value)
	}
	h.SetString("x-Foo", "new")
	assert.Equal(t, listed(&h), model{{"b", "1"}, {"X-FOO", "new"}, {"Cookie", "3"}, {"COOKIE", "5"}, {"a", "6"}})
	h.Set("cookie", []byte("one"))
	assert.Equal(t, listed(&h), model{{"b", "1"}, {"X-FOO", "new"}, {"Cookie", "one"}, {"a", "6"}})
	h.Remove("x-fOO")
	h.Drop(Cookie)
	assert.Equal(t, listed(&h), model{{"b", "1"}, {"a", "6"}})
	assert.Equal(t, h.Has(Cookie), false)
	h.AddString("cookie", "again") // a name that was dropped may come back
	assert.Equal(t, string(h.Value(Cookie)), "again")
	h.Remove("never there")
	h.Drop(Via)
	assert.Equal(t, listed(&h), model{{"b", "1"}, {"a", "6"}, {"cookie", "again"}})
}

// A value that was borrowed from the head may be put back into it, also where the arena has to grow for it.
func TestAValueOfTheHeadItself(t *testing.T) {
	t.Parallel()
	var h Head
	h.AddString("First", strings.Repeat("x", 3000))
	for range 8 {
		value, _ := h.Get("first")
		h.Set("Second", value)
		h.Add("More", value)
	}
	second, _ := h.Get("second")
	assert.Equal(t, string(second), strings.Repeat("x", 3000))
	assert.Equal(t, len(listed(&h)), 10)
}

func TestLoadedBytesAreCopied(t *testing.T) {
	t.Parallel()
	raw := []byte("GET /p?q=1?2 HTTP/1.1\r\nHost: a\r\n")
	var h Head
	h.Load(raw)
	h.Method, h.Target = Span{0, 3}, Span{4, 8}
	h.AddSpan(Host, Span{23, 4}, Span{29, 1})
	clear(raw)
	assert.Equal(t, string(h.Bytes(h.Method)), "GET")
	assert.Equal(t, string(h.Path()), "/p")
	assert.Equal(t, string(h.Query()), "q=1?2")
	assert.Equal(t, listed(&h), model{{"Host", "a"}})
	h.Target = h.StoreString("*")
	assert.Equal(t, string(h.Path()), "*")
	assert.Equal(t, h.Query() == nil, true)
	h.Target = h.StoreString("/?")
	assert.Equal(t, string(h.Path()), "/")
	assert.Equal(t, h.Query() != nil && len(h.Query()) == 0, true)
}

// Who appends to what Bytes has lent must not write into the field behind it.
func TestLentBytesHaveNoRoomBehind(t *testing.T) {
	t.Parallel()
	var h Head
	h.AddString("A", "1")
	h.AddString("B", "2")
	value, _ := h.Get("a")
	_ = append(value, "overwritten"...)
	assert.Equal(t, listed(&h), model{{"A", "1"}, {"B", "2"}})
}

func TestResetEmptiesAndReleasesWhatIsLarge(t *testing.T) {
	t.Parallel()
	var h Head
	h.Status, h.Reason = 200, h.StoreString("OK")
	h.Method, h.Target, h.Authority = h.Reason, h.Reason, h.Reason
	h.AddString("Host", "a")
	kept := cap(h.arena)
	h.Reset()
	assert.Equal(t, h.Size(), 0)
	assert.Equal(t, len(h.Fields()), 0)
	assert.Equal(t, h.Has(Host), false)
	assert.Equal(t, []Span{h.Method, h.Target, h.Authority, h.Reason}, make([]Span, 4))
	assert.Equal(t, h.Status, 0)
	assert.Equal(t, cap(h.arena), kept)

	h.Load(bytes.Repeat([]byte("x"), arenaKept+1))
	for range fieldsKept + 1 {
		h.AddSpan(Other, Span{0, 1}, Span{1, 1})
	}
	h.Reset()
	assert.Equal(t, cap(h.arena)+cap(h.fields), 0)
}

func TestAllocHeadIsUsedAgain(t *testing.T) {
	var h Head
	raw := []byte("Host: a.example\r\nAccept: */*\r\n")
	assert.Allocs(t, 0, func() {
		h.Reset()
		h.Load(raw)
		h.AddSpan(Host, Span{0, 4}, Span{6, 9})
		h.AddSpan(Accept, Span{17, 6}, Span{25, 3})
		h.SetString("X-Forwarded-For", "192.0.2.1")
		h.Set("accept", raw[:4])
		h.AddString("X-Other", "other")
		h.Remove("x-other")
		h.Drop(Accept)
		if _, ok := h.Get("x-forwarded-for"); !ok || h.Has(Accept) || h.Value(Host) == nil {
			t.Fatal("a field is lost")
		}
	})
}
