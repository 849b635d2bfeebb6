package literal

// Durations, sizes and rates. The unit is mandatory: "timeout: 30" means seconds to one reader and milliseconds to another.

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

// ParseSize reads "16KiB": a whole number and one of B, KiB, MiB, GiB, TiB.
func ParseSize(s string) (Size, error) {
	const units = "the units are B, KiB, MiB, GiB and TiB"
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit := s[len(digits):]
	if !IsDigits(strings.TrimSpace(digits)) {
		return 0, Bad("write a whole number and a unit, as in 16KiB", "%q is not a size", s)
	}
	if unit == "" {
		return 0, Bad(fmt.Sprintf("write %sKiB or %sMiB; %s", digits, digits, units), "%s has no unit", s)
	}
	for _, u := range sizeUnits {
		if u.name != unit {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n > int64(1<<62/u.bytes) {
			return 0, Bad(units, "%q is not a size", s)
		}
		return Size(n) * u.bytes, nil
	}
	hint := units
	for _, u := range sizeUnits { // "16k", "16kb", "16 KB": the first letter says what is meant
		if strings.EqualFold(u.name[:1], unit[:1]) {
			hint = "write " + strings.TrimSpace(digits) + u.name
		}
	}
	return 0, Bad(hint, "%q is not a unit of size", unit)
}

// Rate reads "1KiB/s", or 0: bytes per second.
func Rate(s string) (int64, error) {
	if s == "0" {
		return 0, nil
	}
	const hint = "write a size per second, as in 1KiB/s, or 0 for none"
	text, perSecond := strings.CutSuffix(s, "/s")
	n, err := ParseSize(text)
	switch {
	case err == nil && !perSecond:
		return 0, Bad("write "+s+"/s", "%s has no unit of time", s)
	case err != nil:
		return 0, Bad(hint, "%q is not a rate", s)
	}
	return int64(n), nil
}

// Duration reads what time.ParseDuration reads, without signs and without the bare 0.
func Duration(s string) (time.Duration, error) {
	const units = "the units are ms, s, m and h"
	if IsDigits(s) {
		return 0, Bad(fmt.Sprintf("write %ss; %s", s, units), "%s has no unit", s)
	}
	d, err := time.ParseDuration(s)
	if err != nil || strings.ContainsAny(s, "+-") {
		return 0, Bad("write a number and a unit, as in 30s; "+units, "%q is not a duration", s)
	}
	return d, nil
}
