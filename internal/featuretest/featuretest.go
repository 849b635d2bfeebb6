// Package featuretest lets tests send a request through a route without any protocol: a front that keeps what it is given,
// and a handler that stands for a server.
//
//	origin := &featuretest.Origin{Status: 200}
//	answer := featuretest.Ask(featuretest.Request{Target: "/v1/users"}, &exchange.Route{Gates: gates, Handler: origin})
//	// origin.Target and origin.Fields are what the server got, answer is what the client got.
package featuretest

import (
	"net/netip"
	"strings"

	"sluice/engine/exchange"
	"sluice/engine/flow"
	"sluice/engine/loop"
	"sluice/engine/record"
	"sluice/engine/stat"
	"sluice/pool"
)

// Request is what the client says. Its zero value is "GET / HTTP/1.1" to a.example from 192.0.2.1 on port 80.
type Request struct {
	Method, Target string
	Host           string   // "-" sends none
	Fields         []string // "Name: value"
	Scheme         string
	Peer           string // address and port; "unix" is a unix socket
	Version        uint8
}

// Fill makes x the request, as a front would.
func (r Request) Fill(x *exchange.Exchange) {
	h := &x.Request
	h.Load(nil)
	h.Method = h.StoreString(or(r.Method, "GET"))
	h.Target = h.StoreString(or(r.Target, "/"))
	if host := or(r.Host, "a.example"); host != "-" {
		h.AddString("Host", host)
		h.Authority = h.Fields()[0].Value
	}
	for _, field := range r.Fields {
		name, value, _ := strings.Cut(field, ": ")
		h.AddString(name, value)
	}
	if or(r.Method, "GET") == "CONNECT" {
		x.Connect, h.Authority = true, h.Target
	}
	x.Scheme = or(r.Scheme, "http")
	x.Record.Version = max(r.Version, 11)
	if r.Version == 10 {
		x.Record.Version = 10
	}
	if r.Peer == "unix" {
		return
	}
	x.Peer, x.Port = netip.MustParseAddrPort(or(r.Peer, "192.0.2.1:1234")), 80
	x.Client = x.Peer
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// Answer is what the client got, and what the record says.
type Answer struct {
	Status int
	Fields []string // "Name: value"
	Body   string
	Length int64 // of the body, as the front was told: also of one that HEAD leaves out
	Cut    bool
	Reason record.Reason
	Client netip.Addr // of the record
	Host   string     // likewise
	Target string     // likewise
}

// Ask sends r through route and returns the answer. It panics if there is none.
func Ask(r Request, route *exchange.Route) Answer {
	l := loop.New(loop.Config{Poller: still{}, Stats: new(stat.Block)})
	f := &front{route: route}
	service := &exchange.Service{Router: f, Recorder: f}
	var x exchange.Exchange
	x.Bind(l, pool.NewArena(0))
	r.Fill(&x)
	x.Begin(f, service)
	l.Event(nobody, 0) // runs the ring, until nothing is left in it
	if !f.over {
		panic("featuretest: no answer")
	}
	return f.answer
}

// nobody is a descriptor that is not registered.
const nobody = 9999

// Date is the field that the proxy's own answers have: the clock of these tests stands still.
const Date = "Date: Thu, 01 Jan 1970 00:00:00 GMT"

// Fields lists the fields of h that are to be sent, as "Name: value".
func Fields(h *exchange.Head) (fields []string) {
	for _, f := range h.Fields() {
		if !f.Gone {
			fields = append(fields, string(h.Bytes(f.Name))+": "+string(h.Bytes(f.Value)))
		}
	}
	return fields
}

// front is a Front, the sink of the answer's body, a Router of one route, and a Recorder.
type front struct {
	route  *exchange.Route
	answer Answer
	over   bool
}

func (f *front) Route(*exchange.Exchange) (*exchange.Route, record.Reason) {
	return f.route, record.None
}

func (f *front) Exchange(x *exchange.Exchange) {
	f.answer.Reason, f.answer.Client = x.Record.Reason, x.Record.Client.Addr()
	f.answer.Host, f.answer.Target = string(x.Record.Host), string(x.Record.Target)
}

// Received implements exchange.Front.
func (f *front) Received(*exchange.Exchange) {}

// Local implements exchange.Front.
func (f *front) Local(*exchange.Exchange) netip.AddrPort { return netip.AddrPort{} }

func (f *front) Source(*exchange.Exchange) flow.Source { panic("featuretest: requests have no body") }
func (f *front) Inform(*exchange.Exchange)             {}
func (f *front) Switch(*exchange.Exchange)             {}
func (f *front) Backlog(*exchange.Exchange) int        { return 0 }

func (f *front) WriteHead(x *exchange.Exchange) bool {
	f.answer.Status, f.answer.Length, f.answer.Fields = x.Response.Status, x.ResponseBody, Fields(&x.Response)
	return true
}

func (f *front) Sink(*exchange.Exchange) flow.Sink { return f }

func (f *front) Write(down *flow.Flow, c *flow.Chunk, _ bool) {
	f.answer.Body += string(c.Bytes)
	down.Advance(c.Len())
	down.Done()
}

func (f *front) Abort(*flow.Flow, error) { f.answer.Cut = true }

func (f *front) Over(_ *exchange.Exchange, cut bool) { f.over, f.answer.Cut = true, cut }

// Origin is a Handler that stands for a server: it remembers the request and gives an answer without a body.
type Origin struct {
	Status int
	Answer []string // fields, "Name: value"

	Method, Target string
	Authority      string
	Fields         []string
	Client         netip.AddrPort
	Served         int // requests
}

// Serve implements exchange.Handler.
func (o *Origin) Serve(x *exchange.Exchange) {
	h := &x.Request
	o.Method, o.Target, o.Authority = string(h.Bytes(h.Method)), string(h.Bytes(h.Target)), string(h.Bytes(h.Authority))
	o.Fields, o.Client = Fields(h), x.Client
	o.Served++
	x.Serving = o
	x.Response.Status = max(o.Status, 200)
	for _, field := range o.Answer {
		name, value, _ := strings.Cut(field, ": ")
		x.Response.AddString(name, value)
	}
	x.Answer(nil)
}

// Delivered implements exchange.Serving.
func (o *Origin) Delivered(*exchange.Exchange) {}

// Cancel implements exchange.Serving.
func (o *Origin) Cancel(*exchange.Exchange) {}

// still is a loop.Poller without descriptors, whose clock stands.
type still struct{}

func (still) Add(int) error              { return nil }
func (still) AddListener(int) error      { return nil }
func (still) Delete(int) error           { return nil }
func (still) Wake() error                { return nil }
func (still) Rouse()                     {}
func (still) Arm(int64)                  {}
func (still) Now() int64                 { return 1 }
func (still) Wall() int64                { return 1 }
func (still) Poll(loop.Dispatcher) error { return nil }
func (still) Close() error               { return nil }
