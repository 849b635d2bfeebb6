package engine

// What a reload changes, in words.

import (
	"fmt"
	"strings"

	"sluice/configs"
)

// namesMax is how many names of a kind are told.
const namesMax = 5

// kind is one kind of named things, before and after.
type kind struct {
	name          string
	before, after []string
	changed       func(name string) bool // of one that is in both
}

// changes lists what differs between two generations, one text for each kind of thing.
func changes(before, next *generation) (all []string) {
	for _, k := range []kind{listenersOf(before, next), routesOfBoth(before, next), upstreamsOf(before, next)} {
		if text := k.text(); text != "" {
			all = append(all, k.name+": "+text)
		}
	}
	a, b := before.config, next.config
	for _, one := range []struct {
		name string
		same bool
	}{
		{"admin", configs.Same(a.Admin, b.Admin)}, {"log", configs.Same(a.Log, b.Log)}, {"runtime", configs.Same(a.Runtime, b.Runtime)},
	} {
		if !one.same {
			all = append(all, one.name)
		}
	}
	return all
}

// changesText is all of them on one line.
func changesText(all []string) string {
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, "; ")
}

// text tells what is new, changed and gone; "" for nothing.
func (k kind) text() string {
	old, now := set(k.before), set(k.after)
	var fresh, changed, gone []string
	for _, name := range k.after {
		switch {
		case !old[name]:
			fresh = append(fresh, name)
		case k.changed(name):
			changed = append(changed, name)
		}
	}
	for _, name := range k.before {
		if !now[name] {
			gone = append(gone, name)
		}
	}
	var parts []string
	for _, p := range []struct {
		what  string
		names []string
	}{{"new", fresh}, {"changed", changed}, {"gone", gone}} {
		if len(p.names) > 0 {
			parts = append(parts, listed(p.names)+" "+p.what)
		}
	}
	return strings.Join(parts, ", ")
}

func set(names []string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, name := range names {
		all[name] = true
	}
	return all
}

// listed is a list of names that fits a line.
func listed(names []string) string {
	if rest := len(names) - namesMax; rest > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:namesMax], " "), rest)
	}
	return strings.Join(names, " ")
}

func listenersOf(before, next *generation) kind {
	return compared("listeners", before.config.Listeners, next.config.Listeners, func(l *configs.Listener) string { return l.Name })
}

func routesOfBoth(before, next *generation) kind {
	return compared("routes", before.config.Routes, next.config.Routes, func(r *configs.Route) string { return r.Name })
}

// upstreamsOf counts those as changed that are not the same any more, be it because a name has other addresses now.
func upstreamsOf(before, next *generation) kind {
	k := compared("upstreams", before.config.Upstreams, next.config.Upstreams, func(u *configs.Upstream) string { return u.Name })
	k.changed = func(name string) bool { return before.upstream(name) != next.upstream(name) }
	return k
}

// compared compares two lists of things by their names.
func compared[T any](what string, before, after []T, name func(*T) string) kind {
	k := kind{name: what}
	old, now := make(map[string]T), make(map[string]T)
	for i := range before {
		k.before = append(k.before, name(&before[i]))
		old[name(&before[i])] = before[i]
	}
	for i := range after {
		k.after = append(k.after, name(&after[i]))
		now[name(&after[i])] = after[i]
	}
	k.changed = func(one string) bool { return !configs.Same(old[one], now[one]) }
	return k
}
