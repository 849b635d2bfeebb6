package configs

// What differs between two configurations: a reload touches that, and nothing else.

import (
	"reflect"
	"regexp"
)

// Same reports whether two parts of configurations say the same, wherever in a file they stand.
func Same[T any](a, b T) bool { return same(reflect.ValueOf(&a).Elem(), reflect.ValueOf(&b).Elem()) }

var (
	positionType = reflect.TypeFor[Position]()
	patternType  = reflect.TypeFor[*regexp.Regexp]()
)

func same(a, b reflect.Value) bool {
	switch {
	case a.Type() == positionType:
		return true
	case a.Type() == patternType:
		return samePattern(a.Interface().(*regexp.Regexp), b.Interface().(*regexp.Regexp))
	case a.Type().PkgPath() == "net/netip":
		return a.Equal(b)
	}
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			if !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice: // an empty one is as good as none
		for i := range min(a.Len(), b.Len()) {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return a.Len() == b.Len()
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return same(a.Elem(), b.Elem())
	}
	return a.Equal(b)
}

func samePattern(a, b *regexp.Regexp) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.String() == b.String()
}

// NeedRestart lists the keys whose values differ between a and b, and which a running process cannot change.
func NeedRestart(a, b *Config) []string { return file.fixed("", a, b) }

// nested is a place with rows of its own.
type nested[S any] interface {
	fixed(path string, a, b *S) []string
}

// fixed lists the keys below path that are fixed for the life of a process, and differ.
func (t *table[S]) fixed(path string, a, b *S) (keys []string) {
	for _, r := range t.rows {
		if below, ok := r.to.(nested[S]); ok {
			keys = append(keys, below.fixed(path+r.key+".", a, b)...)
			continue
		}
		if r.apply == restart && !Same(r.to.target(a), r.to.target(b)) {
			keys = append(keys, path+r.key)
		}
	}
	return keys
}

func (p groupPlace[S, T]) fixed(path string, a, b *S) []string {
	return p.table.fixed(path, p.field(a), p.field(b))
}
