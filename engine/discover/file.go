package discover

// file:///path: the servers are those that a file lists, one a line, in the words of the configuration.
//
//	10.0.0.1:8080 weight=2
//	app2.internal:8080
//	unix:/run/app.sock backup
//
// A list counts as a whole: with a mistake in it, or without any server, the last good one stays. Names in it are looked up and
// followed like those of dns://.

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"sluice/configs"
	"sluice/engine/watch"
)

// fileMax is ten times what listMax servers take with all that can be said about them.
const fileMax = 1 << 20

// A fileSource reads one file.
type fileSource struct {
	book *book
	text watch.File
	news *watch.Notifier
	// refuses says why a server cannot be one of the upstream's; "" if it can. Nil refuses none.
	refuses func(configs.Server) string

	listed []configs.Server // of the last good text
	broken error            // why the text is not that one; nil if it is
}

// look reads the file if it has changed, and looks up the names in it.
func (s *fileSource) look(ctx context.Context) result {
	s.news.Follow()
	watch.Settle(ctx, &s.text)
	news := s.reread()
	found, good, err := s.resolve(ctx)
	if s.broken != nil {
		err = s.broken // the file is what to repair first
	}
	return result{found: found, answered: len(found) > 0, good: min(good, s.news.Every()), err: err, news: news}
}

// wait sleeps until the file may have changed.
func (s *fileSource) wait(ctx context.Context, d time.Duration) { s.news.Wait(ctx, d) }

// close gives the watches back.
func (s *fileSource) close() { s.news.Close() }

// reread takes over a changed text, and reports whether it is broken in a way that has not been told.
func (s *fileSource) reread() (news bool) {
	text, changed, err := s.text.Fresh()
	if !changed {
		return false
	}
	var listed []configs.Server
	if err == nil {
		listed, err = s.parse(text)
	}
	if err == nil {
		s.listed, s.broken = listed, nil
		return false
	}
	news = s.broken == nil || s.broken.Error() != err.Error()
	s.broken = err
	return news
}

// parse reads a list. The error is about its first mistake, on one line.
func (s *fileSource) parse(text string) ([]configs.Server, error) {
	path := s.text.Path
	listed, issues := configs.ParseServers(text, path)
	issues = append(issues, s.misfits(listed)...)
	if len(issues) > 0 {
		return nil, oneLine(issues)
	}
	if len(listed) == 0 {
		return nil, fmt.Errorf("%s lists no servers; weight=0 takes one out", path)
	}
	return listed, nil
}

// misfits says which servers cannot be of the upstream.
func (s *fileSource) misfits(listed []configs.Server) (issues configs.Issues) {
	if s.refuses == nil {
		return nil
	}
	for _, one := range listed {
		if why := s.refuses(one); why != "" {
			issues = append(issues, configs.Issue{File: s.text.Path, At: one.At, Message: one.Address.String() + ": " + why})
		}
	}
	return issues
}

// oneLine is the first of issues as a line of a log: issues are made for a terminal.
func oneLine(issues configs.Issues) error {
	first := issues[0]
	text := first.File
	if first.At.Line > 0 {
		text = fmt.Sprintf("%s:%d:%d", first.File, first.At.Line, first.At.Column)
	}
	text += ": " + first.Message
	if first.Hint != "" {
		text += " (" + first.Hint + ")"
	}
	if more := len(issues) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return errors.New(text)
}

// resolve returns the listed servers with the addresses of their names, and how long these are good.
func (s *fileSource) resolve(ctx context.Context) (found []Found, good time.Duration, err error) {
	entries := make(map[string]entry)
	if names := namesIn(s.listed); len(names) > 0 {
		s.book.resolver.refresh()
		entries = s.book.lookUp(ctx, names, nil)
	}
	good = freshMax
	var errs []error
	told := make(map[string]bool)
	for _, server := range s.listed {
		at := server.Address
		server.Address, server.At = configs.Address{}, configs.Position{} // moving a line is not a change
		f := Found{Path: at.Path, Line: server}
		if at.Network == "unix" {
			found = append(found, f)
			continue
		}
		if addr, err := netip.ParseAddr(at.Host); err == nil {
			f.Addr = netip.AddrPortFrom(addr.Unmap(), at.Port)
			found = append(found, f)
			continue
		}
		f.Name = at.Host
		e := entries[at.Host]
		good = min(good, e.ttl)
		for _, addr := range e.addrs {
			f.Addr = netip.AddrPortFrom(addr, at.Port)
			found = append(found, f)
		}
		if e.err != nil && !told[at.Host] {
			told[at.Host] = true
			errs = append(errs, e.err)
		}
	}
	return found, clampTTL(good), troubles(errs)
}

// namesIn returns the hosts that are no addresses, each once.
func namesIn(listed []configs.Server) (names []string) {
	seen := make(map[string]bool)
	for _, server := range listed {
		host := server.Address.Host
		if _, err := netip.ParseAddr(host); host == "" || err == nil || seen[host] {
			continue
		}
		seen[host] = true
		names = append(names, host)
	}
	return names
}
