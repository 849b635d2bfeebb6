package header

import (
	"testing"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/record"
	"sluice/internal/assert"
	"sluice/internal/featuretest"
)

type values = []configs.HeaderValue

func TestNothingToChange(t *testing.T) {
	t.Parallel()
	gate, stage := Compile(configs.HeaderRules{})
	assert.Equal(t, gate, nil)
	assert.Equal(t, stage, nil)
	gate, stage = Compile(configs.HeaderRules{Response: configs.HeaderEdits{Remove: []string{"Server"}}})
	assert.Equal(t, gate, nil)
	assert.Equal(t, stage != nil, true)
}

// Removed, then set, then added; the rest stays as it came.
func TestRequests(t *testing.T) {
	t.Parallel()
	gate, _ := Compile(configs.HeaderRules{Request: configs.HeaderEdits{
		Remove: []string{"x-b", "X-Forwarded-For", "X-Again"},
		Set:    values{{Name: "x-A", Value: "{client_ip}"}, {Name: "X-New", Value: "fixed"}, {Name: "x-fixed", Value: "new"}, {Name: "X-Again", Value: "2"}},
		Add:    values{{Name: "X-C", Value: "{scheme}://{host}{uri}"}, {Name: "X-C", Value: "3"}, {Name: "Via", Value: "{query}"}},
	}})
	origin := new(featuretest.Origin)
	featuretest.Ask(featuretest.Request{Target: "/p?q", Host: "A.example:1", Fields: []string{"X-A: 1", "X-B: 1", "X-C: 1", "x-a: 2", "X-b: 2",
		"X-Forwarded-For: 1", "X-Fixed: old", "X-Again: 1"}}, &exchange.Route{Gates: []exchange.Gate{gate}, Handler: origin})
	assert.Equal(t, origin.Fields, []string{"Host: A.example:1", "X-A: 192.0.2.1", "X-C: 1", "X-Fixed: new", "X-New: fixed", "X-Again: 2",
		"X-C: http://a.example/p?q", "X-C: 3", "Via: q"})
}

// shorten is a gate that rewrites the request behind the ones that matter here.
type shorten struct{}

func (shorten) Check(x *exchange.Exchange) exchange.Verdict {
	h := &x.Request
	x.Record.Target = h.Bytes(h.Target)
	h.Target = h.StoreString("/")
	return exchange.Next
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	_, stage := Compile(configs.HeaderRules{Response: configs.HeaderEdits{
		Remove: []string{"Server", "Set-Cookie"},
		Set:    values{{Name: "X-For", Value: "{path}"}},
		Add:    values{{Name: "Set-Cookie", Value: "c=3"}},
	}})
	origin := &featuretest.Origin{Answer: []string{"Server: b", "Set-Cookie: a=1", "Date: now", "Set-Cookie: b=2", "X-For: nobody"}}
	to := &exchange.Route{Gates: []exchange.Gate{shorten{}}, Stages: []exchange.Stage{stage}, Handler: origin}
	answer := featuretest.Ask(featuretest.Request{Target: "/long?q"}, to)
	assert.Equal(t, origin.Target, "/")
	assert.Equal(t, answer.Fields, []string{"Date: now", "X-For: /long", "Set-Cookie: c=3"})

	to.Gates = []exchange.Gate{refusal{}} // error pages, too
	answer = featuretest.Ask(featuretest.Request{}, to)
	assert.Equal(t, answer.Status, 403)
	assert.Equal(t, answer.Fields[len(answer.Fields)-2:], []string{"X-For: /", "Set-Cookie: c=3"})
	assert.Equal(t, len(answer.Body) > 0 && int64(len(answer.Body)) == answer.Length, true)
}

type refusal struct{}

func (refusal) Check(x *exchange.Exchange) exchange.Verdict {
	x.Fail(record.Denied, "", nil)
	return exchange.Answered
}

func TestAllocs(t *testing.T) {
	rules := configs.HeaderEdits{
		Remove: []string{"X-B"},
		Set:    values{{Name: "X-A", Value: "{client_ip}"}, {Name: "X-New", Value: "fixed"}},
		Add:    values{{Name: "X-C", Value: "{scheme}://{host}{uri}"}},
	}
	gate, stage := Compile(configs.HeaderRules{Request: rules, Response: rules})
	x := new(exchange.Exchange)
	featuretest.Request{Target: "/p?q", Host: "A.example", Fields: []string{"X-A: 1", "X-B: 2"}}.Fill(x)
	h := &x.Request
	raw := append([]byte(nil), h.Bytes(exchange.Span{Len: uint32(h.Size())})...)
	fields := append([]exchange.Field(nil), h.Fields()...)
	target, authority := h.Target, h.Authority
	assert.Allocs(t, 0, func() {
		h.Reset()
		x.Response.Reset()
		h.Load(raw)
		for _, f := range fields {
			h.AddSpan(f.ID, f.Name, f.Value)
		}
		h.Target, h.Authority = target, authority
		gate.Check(x)
		stage.Join(x, nil)
	})
	assert.Equal(t, featuretest.Fields(h), []string{"Host: A.example", "X-A: 192.0.2.1", "X-New: fixed", "X-C: http://a.example/p?q"})
}
