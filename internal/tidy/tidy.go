// Package tidy holds the rules of the house as tests: which room may import which, how long a
// file, a function and a package may get, what the rooms of the loop must not do, and that every
// exported name is documented. A rule that is only written down is broken within a month; one that
// fails the build with its reason is kept.
//
//	for _, f := range tidy.Check(os.DirFS(root), tidy.House()) {
//		t.Error(f)
//	}
//
// House (house.go) is the one explicit table of arrows, libraries, limits and exceptions; to
// change a rule is to change that table, in the open. Each rule has a file of its own. They read
// source text only, so a tree in memory can be checked as well as the real one.
package tidy

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
)

// Finding is one broken rule, with the reason the rule exists.
type Finding struct {
	Rule string // name of the rule, such as "arrows"
	File string // path from the root, with slashes; a folder when it concerns a package
	Line int    // 0 when it concerns the file as a whole
	Text string // what is wrong, and why it matters
}

// String is the finding the way compilers print theirs.
func (f Finding) String() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s (%s)", f.File, f.Text, f.Rule)
	}
	return fmt.Sprintf("%s:%d: %s (%s)", f.File, f.Line, f.Text, f.Rule)
}

// Rules is what a tree is checked against.
type Rules struct {
	Module     string // import path of the tree's root
	Arrows     []Arrow
	Sizes      Sizes
	LoopOwned  []string // patterns of packages that run on a loop
	LoopFree   []string // patterns of packages that LoopOwned matches but that do not
	Exceptions []Exception
}

// Arrow says what one kind of package may import. The first arrow whose pattern matches counts.
//
// A pattern is a package path below the root. "a/b" is that package alone, "a/**" is a and
// everything below it, and "**" is anything.
type Arrow struct {
	From      string
	To        []string // packages of this module
	Libraries []string // packages of others, beside the standard library
}

// Sizes are the limits in lines and parameters. Passing a target is only counted (see Measure);
// passing a hard limit is a finding.
type Sizes struct {
	FileTarget, FileHard         int
	FunctionTarget, FunctionHard int
	PackageHard                  int
	ParametersHard               int
}

// Exception allows one construct of the loop rule in one file. An exception that is not needed is
// a finding too, so that the list stays as short as the truth.
type Exception struct {
	File      string
	Construct string // as the finding calls it: "go", "fmt", "time.Now", "sync.Mutex", ...
	Reason    string
}

// Check reads all files under root and returns what breaks the rules, in order of file and line.
// A file that cannot be read or parsed is a finding as well.
func Check(root fs.FS, rules Rules) []Finding {
	source, findings := load(root)
	for _, rule := range []func(*tree, Rules) []Finding{
		checkArrows, checkSizes, checkLoop, checkDocs, checkAllocTests,
	} {
		findings = append(findings, rule(source, rules)...)
	}
	findings = append(findings, checkTexts(root)...)
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return findings
}
