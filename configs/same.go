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
func NeedRestart(a, b *Config) []string { return file.Fixed(a, b) }
