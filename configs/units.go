package configs

// Durations and sizes. The unit is mandatory: "timeout: 30" means seconds to one reader and milliseconds to another.

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Size is a number of bytes. Its String is how a user would write it.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes Size
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String returns s in the largest unit that keeps it a whole number: "16KiB".
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s >= u.bytes && s%u.bytes == 0 {
			return fmt.Sprintf("%d%s", s/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}

// parseSize reads "16KiB": a whole number and one of B, KiB, MiB, GiB, TiB.
func parseSize(s scalar) (Size, error) {
	const units = "the units are B, KiB, MiB, GiB and TiB"
	digits := strings.TrimRight(s.text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit := s.text[len(digits):]
	if !isDigits(strings.TrimSpace(digits)) {
		return 0, bad("write a whole number and a unit, as in 16KiB", "%q is not a size", s.text)
	}
	if unit == "" {
		return 0, bad(fmt.Sprintf("write %sKiB or %sMiB; %s", digits, digits, units), "%s has no unit", s.text)
	}
	for _, u := range sizeUnits {
		if u.name != unit {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n > int64(1<<62/u.bytes) {
			return 0, bad(units, "%q is not a size", s.text)
		}
		return Size(n) * u.bytes, nil
	}
	hint := units
	for _, u := range sizeUnits { // "16k", "16kb", "16 KB": the first letter says what is meant
		if strings.EqualFold(u.name[:1], unit[:1]) {
			hint = "write " + strings.TrimSpace(digits) + u.name
		}
	}
	return 0, bad(hint, "%q is not a unit of size", unit)
}

// parseDuration reads what time.ParseDuration reads, without signs and without the bare 0.
func parseDuration(s scalar) (time.Duration, error) {
	const units = "the units are ms, s, m and h"
	if isDigits(s.text) {
		return 0, bad(fmt.Sprintf("write %ss; %s", s.text, units), "%s has no unit", s.text)
	}
	d, err := time.ParseDuration(s.text)
	if err != nil || strings.ContainsAny(s.text, "+-") {
		return 0, bad("write a number and a unit, as in 30s; "+units, "%q is not a duration", s.text)
	}
	return d, nil
}
