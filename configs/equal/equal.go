// Package equal finds two that take the same: routes, each entered under everything that it matches. It knows of scopes, keys and
// words, and nothing of what they mean.
package equal

import (
	"fmt"
	"slices"
	"strings"
)

// Anything is the word of a key that is not written; no pattern can have a blank.
const Anything = " "

// Keys is how many keys tell what is taken.
const Keys = 3

// Words are the words of each key; a key without any takes Anything.
type Words [Keys][]string

// A Match is one combination of words, within a scope: the listener, and what it looks at.
type Match struct {
	Scope string
	Words [Keys]string
}

// A Clash is a match that was taken before.
type Clash struct {
	Match
	First int       // who has it
	Items [Keys]int // which words of the later one it is made of
}

// A Set is who takes what. Max bounds its matches: a file of 1 MiB could otherwise ask for billions.
type Set struct {
	Max  int
	seen map[Match]int
}

// Full tells whether there were more matches than Max.
func (s *Set) Full() bool { return len(s.seen) > s.Max }

// Claim enters all that who takes within a scope, and returns the first match that is taken; nil if there is none, or the set is
// full.
func (s *Set) Claim(who int, scope string, words Words) *Clash {
	if s.seen == nil {
		s.seen = map[Match]int{}
	}
	for i := range words {
		if len(words[i]) == 0 {
			words[i] = []string{Anything}
		}
	}
	m := Match{Scope: scope}
	for i, first := range words[0] {
		for j, second := range words[1] {
			for k, third := range words[2] {
				m.Words = [Keys]string{first, second, third}
				if taken, ok := s.seen[m]; ok {
					return &Clash{Match: m, First: taken, Items: [Keys]int{i, j, k}}
				}
				if s.seen[m] = who; s.Full() {
					return nil
				}
			}
		}
	}
	return nil
}

// Paths knows that the prefix of every path is every path.
func Paths(paths []string) []string {
	if i := slices.Index(paths, "/*"); i >= 0 {
		paths = slices.Clone(paths)
		paths[i] = Anything
	}
	return paths
}

// Describe says what m takes, in nouns for its keys: `host "a", path "/b"`.
func (m Match) Describe(nouns []string, glue string) string {
	var parts []string
	for i, noun := range nouns {
		if m.Words[i] != Anything {
			parts = append(parts, fmt.Sprintf("%s %q", noun, m.Words[i]))
		}
	}
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, glue)
}
