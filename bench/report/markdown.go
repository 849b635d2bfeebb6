package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"sluice/bench/rivals"
)

// none stands where there is no number.
const none = "–"

// Markdown renders the whole page, with links to the pictures.
func (r *Report) Markdown() []byte {
	p := &page{pictures: r.pictures()}
	p.line("# Benchmarks\n")
	p.line("Written by the harness in `bench/`; edit that, not this page. `bench/README.md` explains how to read it,")
	p.line("`bench/results/run.json` has the raw numbers. Sluice is compared as the first of two: a ratio below 1 means that it")
	p.line("needs less, except where a row counts throughput.\n")
	p.numbers(r)
	p.method(r)
	p.setting(r)
	return p.Bytes()
}

// Summary renders the numbers alone, for a terminal.
func (r *Report) Summary() []byte {
	p := &page{}
	p.numbers(r)
	return p.Bytes()
}

// numbers are verdicts, pictures of all scenarios together, and a section for each.
func (p *page) numbers(r *Report) {
	p.reservations(r)
	p.verdicts(r)
	p.losses(r)
	p.missing(r)
	if len(p.pictures) > 0 && slices.ContainsFunc(p.pictures, func(one picture) bool { return one.section == "" }) {
		p.line("## All together\n")
		p.show("")
	}
	for i := range r.Sections {
		p.section(&r.Sections[i])
	}
}

// reservations say what kind of run it was, if it was not a full one.
func (p *page) reservations(r *Report) {
	if r.Interrupted {
		p.line("**This run was interrupted**; the rows show the rounds that were complete.\n")
	}
	if r.Quick {
		p.line("**This was a quick run**: few short rounds, good for a look, not for quoting.\n")
	}
}

// page is Markdown under construction.
type page struct {
	bytes.Buffer
	pictures []picture
}

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(p, format+"\n", args...)
}

// row writes the cells of a table row.
func (p *page) row(cells ...string) {
	for i := range cells {
		cells[i] = strings.ReplaceAll(cells[i], "|", "\\|") // in what others have said
	}
	p.line("| %s |", strings.Join(cells, " | "))
}

func (p *page) head(cells ...string) {
	p.row(cells...)
	p.line("|%s", strings.Repeat("---|", len(cells)))
}

// show links the pictures of a section; those of all together have none.
func (p *page) show(section string) {
	for _, one := range p.pictures {
		if one.section == section {
			p.line("![%s](bench/results/%s.svg)\n", one.caption, one.name)
		}
	}
}

// losses lists the rows in which sluice is behind, for those who look for them.
func (p *page) losses(r *Report) {
	all := r.comparisons()
	var lines []string
	for _, c := range all {
		if c.behind() {
			line := fmt.Sprintf("- `%s`, %s: %s beside %s's %s %s", c.section.Name, c.metric.Name, number(c.ours.median, c.ours.n),
				c.peer.Title(), number(c.theirs.median, c.theirs.n), c.metric.Unit)
			if c.ratio.n > 0 {
				line += ", × " + ratioText(c.ratio)
			}
			lines = append(lines, line+": "+c.standing())
		}
	}
	if len(all) == 0 {
		return
	}
	p.line("## Where sluice is behind\n")
	if len(lines) == 0 {
		lines = []string{"In no row that was measured in this run."}
	}
	p.line("%s\n", strings.Join(lines, "\n"))
}

// missing lists what was not measured, and why.
func (p *page) missing(r *Report) {
	reasons := map[string][]string{}
	var order []string
	for i := range r.Sections {
		for _, s := range r.Sections[i].Series {
			if s.Missing == "" {
				continue
			}
			text := s.Title() + ": " + s.Missing
			if reasons[text] == nil {
				order = append(order, text)
			}
			reasons[text] = append(reasons[text], "`"+r.Sections[i].Name+"`")
		}
	}
	if len(order) == 0 {
		return
	}
	p.line("## Not measured\n")
	for _, text := range order {
		p.line("- %s (%s)", text, strings.Join(reasons[text], ", "))
	}
	p.line("")
}

// notAsked is why a row is missing that no run has made.
const notAsked = "not measured in this run"

// find returns a series in its default setting, the first if there are several; one that was not asked for is an
// empty series that says so.
func (s *Section) find(proxy string) *Series {
	for i := range s.Series {
		if s.Series[i].Proxy == proxy && s.Series[i].Setting != rivals.Base {
			return &s.Series[i]
		}
	}
	return &Series{Proxy: proxy, Missing: notAsked}
}

// ours returns a row of sluice by its name, the same way.
func (s *Section) ours(row string) *Series {
	for i := range s.Series {
		if one := &s.Series[i]; one.Proxy == rivals.Sluice && one.Setting != rivals.Base && one.row() == row {
			return one
		}
	}
	return &Series{Proxy: rivals.Sluice, Variant: row, Missing: notAsked}
}
