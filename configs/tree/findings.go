package tree

// What one load has to say. Nothing stops at the first mistake, so all are collected; and a file with more mistakes than a person
// reads is not a configuration, so only some are kept.

import "fmt"

// FindingsMax bounds the issues that Findings keep.
const FindingsMax = 500

// Findings are what is wrong, or suspicious, in a text and in the files that it names. Those with a Source only are ready.
type Findings struct {
	*Source
	Found    int // issues, also those beyond FindingsMax
	Warnings Issues
	issues   Issues
}

// Report adds an issue at a position of the text.
func (f *Findings) Report(at Position, message, hint string) { f.Add(f.Issue(at, message, hint)) }

// Add adds an issue, perhaps of another file.
func (f *Findings) Add(i Issue) {
	f.Found++
	if f.Found <= FindingsMax {
		f.issues = append(f.issues, i)
	}
}

// Warn adds what is suspicious but harmless.
func (f *Findings) Warn(at Position, message, hint string) {
	f.Warnings = append(f.Warnings, f.Issue(at, message, hint))
}

// Blamed tells whether there is an issue at a position of the text.
func (f *Findings) Blamed(at Position) bool {
	for _, i := range f.issues {
		if i.At == at && i.File == f.Name {
			return true
		}
	}
	return false
}

// Quietly runs read and forgets what it reports: a guess at what was meant may be wrong.
func (f *Findings) Quietly(read func()) {
	issues, found := f.issues, f.Found
	read()
	f.issues, f.Found = issues[:len(issues):len(issues)], found
}

// Failure returns what was reported and the others that a look at the rest has found, in order.
func (f *Findings) Failure(others ...Issue) Issues {
	issues := append(f.issues[:len(f.issues):len(f.issues)], others...).Sort(f.Name)
	if f.Found > FindingsMax {
		issues = append(issues, f.Issue(Position{}, fmt.Sprintf("%d more errors are not shown", f.Found-FindingsMax), ""))
	}
	return issues
}
