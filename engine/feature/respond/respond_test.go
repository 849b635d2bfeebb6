package respond

import (
	"strings"
	"testing"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/flow"
	"sluice/engine/record"
	"sluice/internal/assert"
	"sluice/internal/featuretest"
)

func ask(r featuretest.Request, from configs.Respond) featuretest.Answer {
	answer := featuretest.Ask(r, &exchange.Route{Handler: Compile(&from)})
	if answer.Cut || answer.Reason != record.Done {
		panic("the answer is not whole")
	}
	return answer
}

func TestAFixedAnswer(t *testing.T) {
	t.Parallel()
	from := configs.Respond{Status: 200, Body: "ok {{\n", Headers: []configs.HeaderValue{{Name: "Content-Type", Value: "text/plain"}, {Name: "X-A", Value: "1"},
		{Name: "x-a", Value: "{host}{path}"}}}
	fields := []string{"Content-Type: text/plain", "X-A: 1", "x-a: a.example/p", featuretest.Date}
	answer := ask(featuretest.Request{Target: "/p?q"}, from)
	assert.Equal(t, answer.Status, 200)
	assert.Equal(t, answer.Fields, fields)
	assert.Equal(t, answer.Body, "ok {\n")
	assert.Equal(t, answer.Length, int64(5))

	answer = ask(featuretest.Request{Method: "HEAD", Target: "/p?q"}, from)
	assert.Equal(t, answer.Fields, append(fields, "Content-Length: 5"))
	assert.Equal(t, answer.Body, "")
	assert.Equal(t, answer.Length, int64(5))
}

func TestWithoutABody(t *testing.T) {
	t.Parallel()
	for _, status := range []int{204, 205, 304, 404, 599} {
		answer := ask(featuretest.Request{}, configs.Respond{Status: status})
		assert.Equal(t, answer.Status, status)
		assert.Equal(t, answer.Body, "")
		assert.Equal(t, answer.Length, int64(0))
		assert.Equal(t, answer.Fields, []string{featuretest.Date})
	}
}

func TestABodyWithPlaceholders(t *testing.T) {
	t.Parallel()
	from := configs.Respond{Status: 503, Body: `{"path": "{path}", "query": "{query}", "from": "{client_ip}"}` + "\n"}
	want := `{"path": "/a", "query": "b=%22,%20%3C'%3E", "from": "192.0.2.1"}` + "\n"
	want = strings.ReplaceAll(want, "'", "%27")
	r := featuretest.Request{Target: `/a?b=", <'>`}
	answer := ask(r, from)
	assert.Equal(t, answer.Body, want)
	assert.Equal(t, answer.Length, int64(len(want)))
	r.Method = "HEAD"
	assert.Equal(t, ask(r, from).Length, int64(len(want)))
	assert.Equal(t, ask(featuretest.Request{Target: "*"}, configs.Respond{Status: 200, Body: "{query}"}).Body, "")
}

// swell is a stage that makes the head outgrow its memory.
type swell struct{}

func (swell) Join(x *exchange.Exchange, src flow.Source) flow.Source {
	x.Response.AddString("X-Long", strings.Repeat("x", 10_000))
	return src
}

// A body that lies in the head's memory stays whole when that is moved.
func TestTheHeadGrowsAfterTheBody(t *testing.T) {
	t.Parallel()
	from := configs.Respond{Status: 200, Body: "you asked for {uri}"}
	answer := featuretest.Ask(featuretest.Request{Target: "/a?b"}, &exchange.Route{Stages: []exchange.Stage{swell{}}, Handler: Compile(&from)})
	assert.Equal(t, answer.Body, "you asked for /a?b")
	assert.Equal(t, len(answer.Fields), 2)
}
