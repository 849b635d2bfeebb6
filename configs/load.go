package configs

// Loading: text → tree (room tree) → structs, guided by the tables → names resolved (link.go) → rules (validate.go). No stage
// stops at the first mistake, and none reports what follows from a mistake already reported.

import (
	"path/filepath"
	"slices"
	"time"

	"sluice/configs/literal"
	"sluice/configs/reference"
	"sluice/configs/table"
	"sluice/configs/tree"
)

// A Look finds what the loader does not look for, such as names of servers that do not resolve.
type Look func(*Config) Issues

// Load reads, resolves and validates the configuration file at path. The error is Issues, with everything that is wrong.
// Files that the configuration names are read too; addresses are neither looked up nor bound.
//
// Whoever starts a valid configuration will look at more than the file. So that nothing of that stays hidden behind a slip in
// the file, looks are called if there is one, with what could be read: a server, an address or an access log that could not be
// is left out, and there may be none. What they find is reported in its place among the rest. For a valid file they are not called.
func Load(path string, looks ...Look) (*Config, error) {
	text, err := tree.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return load(path, text, looks)
}

// Parse is Load for a text in hand: tests, fuzzing, generated configurations. The name is used in messages, and relative paths
// in the text start at its folder. It never panics, whatever src holds.
func Parse(name string, src []byte) (*Config, error) { return load(name, src, nil) }

func load(name string, src []byte, looks []Look) (*Config, error) {
	text := tree.Normal(string(src))
	keys := reference.Keys(file.Describe())
	l := &loader{Reader: table.NewReader(tree.NewSource(name, literal.HideSecrets(text, keys)), filepath.Dir(name)), now: time.Now()}
	l.Keys, l.Aside = keys, l.keepAside
	root, faults := tree.Parse(text)
	if len(faults) > 0 {
		return nil, l.Source.Issues(faults).Sort(name)
	}
	if root == nil {
		return nil, Issues{l.Source.Issue(Position{}, "the configuration is empty",
			"the smallest useful one has a listener with bind and upstream, and an upstream with servers")}
	}
	c := &Config{File: name, source: l.Source}
	file.Fill(c)
	table.ReadObject(l.Reader, file, c, root)
	l.link(c)
	l.validate(c)
	if l.Found > 0 {
		var seen Issues
		for _, look := range looks {
			seen = append(seen, look(l.readable(c))...)
		}
		return nil, l.Failure(seen...)
	}
	c.Warnings = l.Warnings.Sort(name)
	return c, nil
}

// readable returns the parts of c that were read: the rest has the zero value, which nobody has written.
func (l *loader) readable(c *Config) *Config {
	part := &Config{File: c.File, Admin: c.Admin, Log: c.Log, Runtime: c.Runtime, source: c.source}
	for _, li := range c.Listeners {
		li.Bind = slices.DeleteFunc(slices.Clone(li.Bind), func(b Value[Address]) bool { return b.V == Address{} })
		part.Listeners = append(part.Listeners, li)
	}
	for _, u := range c.Upstreams {
		u.Servers = slices.DeleteFunc(slices.Clone(u.Servers), func(s Server) bool { return s.Address == Address{} })
		part.Upstreams = append(part.Upstreams, u)
	}
	return part
}

// A loader is the state of one Parse: a reader of tables, and what rules need beside it.
type loader struct {
	*table.Reader
	now   time.Time
	aside Config // listeners and upstreams of sections that were written again, or mistyped
}

// keepAside keeps the names in what was read again: they exist, for those who refer to them.
func (l *loader) keepAside(object any) {
	if c, ok := object.(*Config); ok {
		l.aside.Listeners = append(l.aside.Listeners, c.Listeners...)
		l.aside.Upstreams = append(l.aside.Upstreams, c.Upstreams...)
	}
}
