package observe

// What the admin server answers. Everything is JSON but metrics and health; an error is {"error": "a sentence"}.
//
//	GET  /metrics                                         see prom.go
//	GET  /health/live, /health/ready                      200 or 503, one word
//	GET  /api/status                                      Status
//	GET  /api/upstreams                                   {"upstreams": [Upstream …]}
//	POST /api/reload                                      → Reloaded
//	POST /api/upstreams/{upstream}/servers/{server}/weight  {"weight": N}      → Server
//	POST /api/upstreams/{upstream}/servers/{server}/drain   {"draining": true} → Server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// api answers for one proxy.
type api struct {
	proxy   Proxy
	scraper scraper
}

func newAPI(proxy Proxy) *api { return &api{proxy: proxy, scraper: scraper{view: proxy}} }

// A way is one row of the table of contents.
type way struct {
	method, path string
	handle       http.HandlerFunc
}

func (a *api) ways() []way {
	const server = "/api/upstreams/{upstream}/servers/{server}"
	return []way{
		{http.MethodGet, "/metrics", a.metrics},
		{http.MethodGet, healthPrefix + "live", live},
		{http.MethodGet, healthPrefix + "ready", a.ready},
		{http.MethodGet, "/api/status", a.status},
		{http.MethodGet, "/api/upstreams", a.upstreams},
		{http.MethodPost, reloadPath, a.reload},
		{http.MethodPost, server + "/weight", a.setWeight},
		{http.MethodPost, server + "/drain", a.setDraining},
	}
}

// handler returns all of them, and answers in kind to what is none.
func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	var paths []string
	for _, w := range a.ways() {
		allow := w.method
		if allow == http.MethodGet {
			allow += ", HEAD"
		}
		mux.HandleFunc(w.method+" "+w.path, w.handle)
		mux.HandleFunc(w.path, func(out http.ResponseWriter, r *http.Request) {
			out.Header().Set("Allow", allow)
			fail(out, http.StatusMethodNotAllowed, fmt.Sprintf("%s is not for %s; it takes %s", r.URL.Path, r.Method, allow))
		})
		paths = append(paths, w.path)
	}
	mux.HandleFunc("/", func(out http.ResponseWriter, r *http.Request) {
		fail(out, http.StatusNotFound, fmt.Sprintf("there is nothing at %s; there is %s", quote(r.URL.Path), strings.Join(paths, ", ")))
	})
	return sameOrigin(mux)
}

// fresh sets the fields that all answers have, so that none is kept or taken for something else, and bounds what is read.
func fresh(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		r.Body = http.MaxBytesReader(w, r.Body, bodyMax)
		next.ServeHTTP(w, r)
	})
}

func (a *api) metrics(w http.ResponseWriter, r *http.Request) {
	open := wantsOpenMetrics(strings.Join(r.Header.Values("Accept"), ","))
	kind := typePrometheus
	if open {
		kind = typeOpenMetrics
	}
	text := a.scraper.scrape(open)
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text)
}

// live answers as long as the process can. It asks no loop: a busy proxy must not be killed for being busy.
func live(w http.ResponseWriter, _ *http.Request) { word(w, http.StatusOK, "live") }

// ready tells balancers whether to send new connections here.
func (a *api) ready(w http.ResponseWriter, _ *http.Request) {
	if state := a.proxy.State(); state != ProxyRunning {
		word(w, http.StatusServiceUnavailable, state)
		return
	}
	word(w, http.StatusOK, "ready")
}

func (a *api) status(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, statusOf(a.proxy))
}

func (a *api) upstreams(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string][]Upstream{"upstreams": upstreamsOf(a.proxy)})
}

// reload answers when the configuration that was read is in force, or refused.
func (a *api) reload(w http.ResponseWriter, _ *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(reloadTimeout)) // silent name servers take their time
	done, err := a.proxy.Reload()
	if err != nil {
		fail(w, http.StatusConflict, err.Error())
		return
	}
	answer(w, http.StatusOK, done)
}

func (a *api) setWeight(w http.ResponseWriter, r *http.Request) {
	var want struct {
		Weight *int `json:"weight"`
	}
	a.command(w, r, &want, func(upstream, server string) error {
		if want.Weight == nil || *want.Weight < 0 || *want.Weight > WeightMax {
			return badCommand(fmt.Sprintf(`weight must be a whole number from 0 to %d, as in {"weight": 10}`, WeightMax))
		}
		return a.proxy.SetWeight(upstream, server, *want.Weight)
	})
}

func (a *api) setDraining(w http.ResponseWriter, r *http.Request) {
	var want struct {
		Draining *bool `json:"draining"`
	}
	a.command(w, r, &want, func(upstream, server string) error {
		if want.Draining == nil {
			return badCommand(`draining must be true or false, as in {"draining": true}`)
		}
		return a.proxy.SetDraining(upstream, server, *want.Draining)
	})
}

// badCommand is an error of whoever sent a command, not of the proxy.
type badCommand string

// Error implements error.
func (b badCommand) Error() string { return string(b) }

// command reads the body into want, finds the server that the path names, runs do, and answers with what the server is now.
func (a *api) command(w http.ResponseWriter, r *http.Request, want any, do func(upstream, server string) error) {
	if err := readCommand(r.Body, want); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	upstream, server := r.PathValue("upstream"), r.PathValue("server")
	if _, err := a.find(upstream, server); err != nil {
		fail(w, http.StatusNotFound, err.Error())
		return
	}
	if err := do(upstream, server); err != nil {
		status := http.StatusConflict
		if errors.As(err, new(badCommand)) {
			status = http.StatusBadRequest
		}
		fail(w, status, err.Error())
		return
	}
	s, err := a.find(upstream, server)
	if err != nil { // it was removed meanwhile
		fail(w, http.StatusNotFound, err.Error())
		return
	}
	answer(w, http.StatusOK, s)
}

// find returns a server as it is now, or says which there are.
func (a *api) find(upstream, server string) (*Server, error) {
	all := a.proxy.Upstreams()
	i := slices.IndexFunc(all, func(u Upstream) bool { return u.Name == upstream })
	if i < 0 {
		var names []string
		for _, u := range all {
			names = append(names, u.Name)
		}
		return nil, missing("upstream", upstream, names)
	}
	servers := all[i].Servers
	j := slices.IndexFunc(servers, func(s Server) bool { return s.Name == server })
	if j < 0 {
		var names []string
		for _, s := range servers {
			names = append(names, s.Name)
		}
		return nil, missing("server of "+upstream, server, names)
	}
	return &servers[j], nil
}

// missing says that there is no such thing, and names at most ten that there are.
func missing(what, name string, names []string) error {
	const most = 10
	rest := ""
	if len(names) > most {
		rest = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	if len(names) == 0 {
		return fmt.Errorf("there is no %s called %s; there is none at all", what, quote(name))
	}
	return fmt.Errorf("there is no %s called %s; there is %s%s", what, quote(name), strings.Join(names, ", "), rest)
}

// readCommand reads one JSON object, with no other keys than into has and nothing behind it.
func readCommand(body io.Reader, into any) error {
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil && decoder.Decode(&struct{}{}) != io.EOF {
		err = errors.New("something follows the object")
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		err = errors.New("it is empty")
	case errors.As(err, new(*http.MaxBytesError)):
		err = fmt.Errorf("it is longer than %d bytes", bodyMax)
	}
	return fmt.Errorf("the body is not the JSON object of this command: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// answer sends v as indented JSON: people read it as often as programs do.
func answer(w http.ResponseWriter, status int, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error": "the answer cannot be written as JSON"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

// fail sends an error.
func fail(w http.ResponseWriter, status int, sentence string) {
	answer(w, status, map[string]string{"error": sentence})
}

// word sends one line of text.
func word(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

// quote is a client's text in an answer: in quotes, and not for ever.
func quote(text string) string {
	const most = 100
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strconv.Quote(text)
}
