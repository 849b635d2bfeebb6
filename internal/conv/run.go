package conv

// Playing a script.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Run plays the script with an engine of so many loops, and returns everything that was not as it says. The folder is
// empty, and for the script alone.
func (s *Script) Run(m Mode, loops int, folder string) (problems []error) {
	w, err := newWorld(s, m, loops, folder)
	if err == nil {
		err = s.play(w)
	}
	if err != nil {
		problems = append(problems, err)
	} else {
		problems = s.blame(w.left())
	}
	played := len(problems) == 0
	problems = append(problems, s.blame(w.close())...)
	if played {
		problems = append(problems, s.readLog(w)...)
	}
	return problems
}

// play takes the steps.
func (s *Script) play(w *world) error {
	for i := range s.steps {
		st := &s.steps[i]
		if err := st.run(w); err != nil {
			return fmt.Errorf("%s:%d: %s %s: %w", s.file, st.line, st.actor, st.verb, err)
		}
	}
	return nil
}

// blame says which script the problems are of.
func (s *Script) blame(problems []error) []error {
	for i, err := range problems {
		problems[i] = fmt.Errorf("%s:%d: %w", s.file, s.line, err)
	}
	return problems
}

// run takes a step.
func (st *step) run(w *world) error {
	switch st.verb {
	case settles:
		w.settle()
		return nil
	case drains:
		w.drain()
		return nil
	case holds:
		return w.holds(st.words[0])
	case connects:
		return st.connect(w)
	case sees:
		if st.words[0] == "nothing" {
			return st.nothing(w)
		}
	}
	a, err := w.actor(st.actor)
	if err != nil {
		return err
	}
	return st.act(w, a)
}

// act takes a step on a connection.
func (st *step) act(w *world, a *actor) error {
	switch st.verb {
	case sends:
		return st.send(w, a)
	case drips:
		return st.drip(w, a)
	case receives:
		pattern, err := expand(st.text, w.lookUp)
		if err != nil {
			return err
		}
		return a.expect(pattern)
	case ends:
		return a.end()
	case resets:
		return a.reset()
	case cuts:
		return a.cut()
	case sees:
		if st.words[0] == "page" {
			return a.expectPage(st.words[1:])
		}
		if st.words[0] == "alert" {
			return a.expectAlert(strings.Join(st.words[1:], " "))
		}
		return a.expectOver(st.words[0])
	}
	panic("conv: the parser has let " + string(st.verb) + " pass")
}

func (st *step) connect(w *world) error {
	how := calling{narrow: slices.Contains(st.words, "narrow"), plain: slices.Contains(st.words, "plain")}
	for i, word := range st.words {
		switch word {
		case "from":
			how.from = st.words[i+1]
		case "for":
			how.asks = st.words[i+1]
		}
	}
	_, err := w.connect(st.actor, how)
	return err
}

// send sends the step's bytes, in its pieces.
func (st *step) send(w *world, a *actor) error {
	pieces, err := expand(st.text, w.lookUp)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if p.mark == "cut" {
			w.settle()
		}
		if len(p.bytes) == 0 {
			continue
		}
		if err := a.send(p.bytes); err != nil {
			return err
		}
	}
	return nil
}

// drip sends the step's bytes slowly.
func (st *step) drip(w *world, a *actor) error {
	pieces, err := expand(st.text, w.lookUp)
	if err != nil {
		return err
	}
	for _, b := range pieces[0].bytes {
		if err := a.send([]byte{b}); err != nil {
			return nil // what has come of it is for the next steps
		}
		if a.hears(dripEvery) {
			break
		}
	}
	return nil
}

// nothing checks that all is quiet.
func (st *step) nothing(w *world) error {
	w.settle()
	if a := w.actors[st.actor]; a != nil {
		return a.quiet()
	}
	if ln := w.servers[st.actor]; ln != nil {
		waiting, err := ln.callers()
		if err == nil && waiting {
			err = fmt.Errorf("somebody has connected")
		}
		return err
	}
	return fmt.Errorf("there is no %s yet", st.actor)
}

// pageHead is the head of an error page as text, which is what a client gets that does not ask for something else.
var pageHead = regexp.MustCompile(`^HTTP/1\.1 (\d\d\d) ([^\r\n]+)\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n` +
	`(Retry-After: 1\r\n)?Date: [^\r\n]{29}\r\nContent-Length: (\d+)\r\n(Connection: close\r\n)?\r\n`)

// expectPage reads one of the proxy's own pages.
func (a *actor) expectPage(words []string) error {
	var head [][]byte
	for {
		if end := bytes.Index(a.buf, []byte("\r\n\r\n")); end >= 0 {
			head = pageHead.FindSubmatch(a.buf)
			break
		}
		if err := a.fill(); err != nil {
			return fmt.Errorf("%w, wanted a page\n%s", err, show(a.buf))
		}
	}
	if head == nil || string(head[1]) != words[0] || (len(head[3]) > 0) != slices.Contains(words, "later") ||
		(len(head[5]) > 0) != slices.Contains(words, "close") {
		return fmt.Errorf("wanted page %s, got\n%s", strings.Join(words, " "), show(a.buf))
	}
	n, err := strconv.Atoi(string(head[4]))
	if err != nil {
		return err
	}
	status := string(head[1]) + " " + string(head[2])
	a.buf = a.buf[len(head[0]):]
	for len(a.buf) < n {
		if err := a.fill(); err != nil {
			return fmt.Errorf("%w in a page of %d bytes\n%s", err, n, show(a.buf))
		}
	}
	body := string(a.buf[:n])
	a.buf = a.buf[n:]
	if !strings.HasPrefix(body, status+"\n") || !strings.HasSuffix(body, " (sluice)\n") {
		return fmt.Errorf("this is no page %s:\n%s", status, show([]byte(body)))
	}
	return nil
}

// readLog compares the log with the script's records. Those of two loops come in any order.
func (s *Script) readLog(w *world) (problems []error) {
	text, err := os.ReadFile(w.log)
	if err != nil {
		return []error{err}
	}
	var records []map[string]any
	for line := range bytes.Lines(text) {
		var record map[string]any
		if err := json.Unmarshal(line, &record); err != nil {
			return []error{fmt.Errorf("a line of the log is no JSON: %w: %s", err, line)}
		}
		records = append(records, record)
	}
	for i := range s.log {
		want := &s.log[i]
		at := slices.IndexFunc(records, func(r map[string]any) bool { return want.fits(w, r) == "" })
		if at < 0 {
			why := "there is none left"
			if len(records) > 0 {
				why = want.fits(w, records[0])
			}
			return append(problems, fmt.Errorf("%s:%d: no record says %s: %s\n%s", s.file, want.line, strings.Join(want.words, " "), why, text))
		}
		records = slices.Delete(records, at, at+1)
	}
	for _, record := range records {
		if len(s.log) > 0 || record["reason"] != "done" {
			problems = append(problems, fmt.Errorf("%s:%d: the log says more: %v", s.file, s.line, record))
		}
	}
	return problems
}

// fits says what of a record is not as the step wants it; "" if nothing.
func (st *step) fits(w *world, record map[string]any) string {
	want := map[string]string{"reason": st.words[0]}
	for _, word := range st.words[1:] {
		key, value, found := strings.Cut(word, "=")
		if !found {
			key, value = "status", word
		}
		pieces, err := expand([]textLine{{raw: value, bare: true}}, w.lookUp)
		if err != nil {
			return err.Error()
		}
		want[key] = string(pieces[0].bytes)
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		got := ""
		if value, there := record[key]; there {
			got = fmt.Sprint(value)
		}
		if got != want[key] && (want[key] != "*" || got == "") {
			return fmt.Sprintf("%s is %q and not %q", key, got, want[key])
		}
	}
	return ""
}
