package configs

// What differs between two configurations: a reload touches that, and nothing else.

import (
	"reflect"

	"sluice/configs/compare"
)

// Same reports whether two parts of configurations say the same, wherever in a file they stand.
func Same[T any](a, b T) bool {
	return compare.Same(reflect.ValueOf(&a).Elem(), reflect.ValueOf(&b).Elem(), reflect.TypeFor[Position]())
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
