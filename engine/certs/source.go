package certs

// A source is one thing that is read from files: a pair from two, clients from a bundle and lists. What counts is its last good
// content: a new one that is broken changes nothing, and is told about until the files are good again.

import (
	"slices"

	"sluice/engine/watch"
)

// A source of T belongs to one goroutine.
type source[T any] struct {
	files  []*watch.File
	parse  func(files, texts []string) (T, error) // a pure function; its errors are *FileError
	accept func(old, now T) error                 // may refuse now, with a *FileError; nil = never does
	good   T
	loaded bool
	broken *FileError // nil = good is what the files say
}

// newSource returns a source that has read nothing. Empty paths are left out.
func newSource[T any](parse func(files, texts []string) (T, error), size int64, paths ...string) *source[T] {
	s := &source[T]{parse: parse}
	for _, path := range paths {
		if path != "" {
			s.files = append(s.files, &watch.File{Path: path, Max: size})
		}
	}
	return s
}

// A looker is a source of anything.
type looker interface {
	look() (changed bool)
	problem() *FileError
	paths() []*watch.File
}

// look reads the files if one of them has changed. It reports whether good has. A source without files never has anything new.
func (s *source[T]) look() bool {
	texts, errs, news := make([]string, len(s.files)), make([]error, len(s.files)), make([]bool, len(s.files))
	for i, f := range s.files {
		texts[i], news[i], errs[i] = f.Fresh()
	}
	if !slices.Contains(news, true) {
		return false
	}
	for i, f := range s.files {
		if !news[i] { // keys and long lists are not kept: they are read again
			f.Forget()
			texts[i], _, errs[i] = f.Fresh()
		}
	}
	good, err := s.read(texts, errs)
	if err == nil && s.loaded && s.accept != nil {
		err = s.accept(s.good, good)
	}
	if err != nil {
		s.refuse(err)
		return false
	}
	s.good, s.loaded, s.broken = good, true, nil
	return true
}

// read makes a T of texts, unless one of them could not be had.
func (s *source[T]) read(texts []string, errs []error) (none T, err error) {
	names := make([]string, len(s.files))
	for i, f := range s.files {
		names[i] = f.Path
		if errs[i] != nil {
			return none, &FileError{File: f.Path, Err: errs[i]}
		}
	}
	return s.parse(names, texts)
}

// refuse remembers what is wrong.
func (s *source[T]) refuse(err error) {
	s.broken = err.(*FileError)
	s.broken.Refused = true
}

// problem is what is wrong with the files.
func (s *source[T]) problem() *FileError { return s.broken }

// paths are the files.
func (s *source[T]) paths() []*watch.File { return s.files }
