// Package compare tells whether two pieces of a configuration say the same. It looks at values only: where in a file they
// were written makes no difference, nor whether an empty list was written or left out.
package compare

import (
	"reflect"
	"regexp"

	"sluice/configs/tree"
)

// Same compares two values of one type, which may hold structs, slices, pointers, patterns and addresses.
func Same[T any](a, b T) bool { return same(reflect.ValueOf(&a).Elem(), reflect.ValueOf(&b).Elem()) }

var (
	positionType = reflect.TypeFor[tree.Position]()
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
