package conv

// From the text of a file to scripts.

import (
	"fmt"
	"regexp"
	"strings"
)

// Script is one conversation.
type Script struct {
	Title string
	file  string
	line  int
	given given
	steps []step
	log   []step
}

// verb is what happens in a step.
type verb string

// The verbs. The words are those of the language, but for the two arrows.
const (
	sends    verb = ">"
	receives verb = "<"
	connects verb = "connects"
	drips    verb = "drips"
	ends     verb = "ends"
	resets   verb = "resets"
	cuts     verb = "cuts"
	sees     verb = "sees"
	settles  verb = "settle"
	drains   verb = "drains"
	holds    verb = "holds"
	logs     verb = "log"
)

// step is one line of a script, with the lines of text that belong to it.
type step struct {
	line  int
	actor string
	verb  verb
	words []string // behind the verb
	text  []textLine
}

// textLine is a line of bytes as it is written.
type textLine struct {
	raw  string
	bare bool // without CR LF
}

// ParseScripts reads the scripts of a file.
func ParseScripts(file, text string) ([]*Script, error) {
	p := parser{file: file}
	for i, line := range strings.Split(text, "\n") {
		if err := p.take(i+1, strings.TrimRight(line, " \t")); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
	}
	titles := make(map[string]bool)
	for _, s := range p.scripts {
		if titles[s.Title] || len(s.steps) == 0 {
			return nil, fmt.Errorf("%s:%d: a script needs steps, and a title of its own", file, s.line)
		}
		titles[s.Title] = true
	}
	return p.scripts, nil
}

type parser struct {
	file    string
	scripts []*Script
	text    *[]textLine // of the last step that has one; further lines belong to it
}

var (
	titleLine = regexp.MustCompile(`^== (\S.*)$`)
	moreLine  = regexp.MustCompile(`^\s+([|+])(?: (.*))?$`)
	byteLine  = regexp.MustCompile(`^(\w+)\s+([<>])(\+?)(?: (.*))?$`)
	wordLine  = regexp.MustCompile(`^(\w+)(?:\s+(.*))?$`)
	actorName = regexp.MustCompile(`^(client|origin|other)[2-9]?$`)
)

// take reads one line.
func (p *parser) take(number int, line string) error {
	if m := titleLine.FindStringSubmatch(line); m != nil {
		p.scripts = append(p.scripts, &Script{Title: m[1], file: p.file, line: number})
		p.text = nil
		return nil
	}
	switch {
	case line == "" || line[0] == '#':
		return nil
	case len(p.scripts) == 0:
		return fmt.Errorf("%q stands before the first script", line)
	}
	s := p.scripts[len(p.scripts)-1]
	if m := moreLine.FindStringSubmatch(line); m != nil {
		if p.text == nil {
			return fmt.Errorf("a line of text that nobody says")
		}
		*p.text = append(*p.text, textLine{m[2], m[1] == "+"})
		return nil
	}
	if m := byteLine.FindStringSubmatch(line); m != nil {
		s.steps = append(s.steps, step{line: number, actor: m[1], verb: verb(m[2]), text: []textLine{{m[4], m[3] == "+"}}})
		last := &s.steps[len(s.steps)-1]
		p.text = &last.text
		return last.check()
	}
	p.text = nil
	return p.takeWords(s, number, line)
}

// takeWords reads a line without text.
func (p *parser) takeWords(s *Script, number int, line string) error {
	m := wordLine.FindStringSubmatch(line)
	if m == nil {
		return fmt.Errorf("cannot read %q", line)
	}
	switch verb(m[1]) {
	case "given":
		return s.given.take(m[2])
	case logs:
		words, err := splitWords(m[2])
		s.log = append(s.log, step{line: number, verb: logs, words: words})
		return err
	case settles:
		s.steps = append(s.steps, step{line: number, verb: settles})
		return nil
	}
	words := strings.Fields(m[2])
	if len(words) == 0 {
		return fmt.Errorf("%s does nothing", m[1])
	}
	made := step{line: number, actor: m[1], verb: verb(words[0]), words: words[1:]}
	if made.verb == drips {
		_, rest, _ := strings.Cut(m[2], " ")
		made.text, made.words = []textLine{{strings.TrimLeft(rest, " "), true}}, nil
	}
	s.steps = append(s.steps, made)
	return made.check()
}

// check finds words that mean nothing.
func (s *step) check() error {
	isProxy := s.actor == "proxy"
	if !isProxy && !actorName.MatchString(s.actor) {
		return fmt.Errorf("nobody is called %q", s.actor)
	}
	said := strings.Join(s.words, " ")
	known := map[verb]string{
		sends: `^$`, receives: `^$`, drips: `^$`, ends: `^$`, resets: `^$`, cuts: `^$`,
		connects: `^(from [0-9.]+)? ?(for [a-z.]+|plain)? ?(narrow)?$`,
		sees:     `^(end|reset|close|cut|rest|nothing|alert [a-z ]+|page \d\d\d( later)?( close)?)$`,
		drains:   `^$`, holds: `^\d+$`,
	}[s.verb]
	if known == "" || isProxy != (s.verb == drains || s.verb == holds) || !regexp.MustCompile(known).MatchString(said) {
		return fmt.Errorf("%s cannot do %q", s.actor, strings.TrimSpace(string(s.verb)+" "+said))
	}
	return nil
}

// splitWords cuts at blanks outside of quotes.
func splitWords(text string) (words []string, err error) {
	for _, m := range regexp.MustCompile(`(?:[^\s"]|"[^"]*")+`).FindAllString(text, -1) {
		words = append(words, strings.ReplaceAll(m, `"`, ""))
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("a record without a reason")
	}
	return words, nil
}
