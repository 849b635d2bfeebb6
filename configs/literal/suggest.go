package literal

// "Did you mean": the nearest known word by edit distance, where swapping two neighbours counts as one edit (typing
// "protcool" is one slip, not two). Words that share too little are not suggested; a wrong hint is worse than none.

import (
	"fmt"
	"slices"
	"strings"
)

// suggestMax bounds the words compared, so that a hostile file cannot buy quadratic work with long names.
const suggestMax = 64

// DidYouMean returns a hint that names the candidate nearest to word, or "" if none is near.
func DidYouMean(word string, candidates []string) string {
	if best, ok := Nearest(word, candidates); ok {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return ""
}

// Nearest returns the candidate with the fewest edits from word, the first of equals. About one edit in three characters
// is tolerated; case and dashes for underscores are free.
func Nearest(word string, candidates []string) (best string, ok bool) {
	if word == "" || len(word) > suggestMax {
		return "", false
	}
	fewest := max(1, len(word)/3) + 1
	for _, c := range candidates {
		if len(c) > suggestMax {
			continue
		}
		d := edits(fold(word), fold(c))
		if short := min(len(word), len(c)); short >= 3 && fold(word)[:short] == fold(c)[:short] {
			d = min(d, 1) // one is the beginning of the other: "warning" for "warn"
		}
		if len(c) < 3 {
			d = 2 * d // one edit makes a word of two letters another word
		}
		if d < fewest {
			best, fewest, ok = c, d, true
		}
	}
	return best, ok
}

// NearestOrAll suggests the nearest name, or lists those there are.
func NearestOrAll(name string, known []string, section string) string {
	const listed = 10
	if hint := DidYouMean(name, known); hint != "" {
		return hint
	}
	switch n := len(known) - listed; {
	case len(known) == 0:
		return "add it under " + section
	case n > 0:
		return fmt.Sprintf("add it under %s, which has %s and %d more", section, strings.Join(known[:listed], ", "), n)
	}
	return fmt.Sprintf("add it under %s, which has %s", section, strings.Join(known, ", "))
}

func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }

// edits is the optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours.
func edits(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// InWords joins words as a sentence does: "a, b or c", with "or" as the conjunction.
func InWords(words []string, conjunction string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	head, last := words[:len(words)-1], words[len(words)-1]
	return strings.Join(head, ", ") + " " + conjunction + " " + last
}

// SortedUnique returns words in order, each once.
func SortedUnique(words []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(words)))
}
