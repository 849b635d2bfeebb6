// Package compare tells whether two values say the same. An empty list is as good as none, patterns go by their text,
// and one type, of which it does not matter what it says, is left out:
//
//	compare.Same(reflect.ValueOf(a), reflect.ValueOf(b), reflect.TypeFor[Position]())
package compare

import (
	"reflect"
	"regexp"
)

var patternType = reflect.TypeFor[*regexp.Regexp]()

// Same compares two values of one type, which may hold structs, slices, pointers, patterns and addresses.
func Same(a, b reflect.Value, except reflect.Type) bool {
	switch {
	case a.Type() == except:
		return true
	case a.Type() == patternType:
		return samePattern(a.Interface().(*regexp.Regexp), b.Interface().(*regexp.Regexp))
	case a.Type().PkgPath() == "net/netip":
		return a.Equal(b)
	}
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			if !Same(a.Field(i), b.Field(i), except) {
				return false
			}
		}
		return true
	case reflect.Slice:
		for i := range min(a.Len(), b.Len()) {
			if !Same(a.Index(i), b.Index(i), except) {
				return false
			}
		}
		return a.Len() == b.Len()
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return Same(a.Elem(), b.Elem(), except)
	}
	return a.Equal(b)
}

func samePattern(a, b *regexp.Regexp) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.String() == b.String()
}
