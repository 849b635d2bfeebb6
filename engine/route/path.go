package route

import (
	"bytes"
	"slices"
)

// NormalPath returns the path of a request target as it is matched; what is forwarded is the target as it was sent. Matching on the bytes as
// sent would be no protection: "/x/../admin", "//admin" and "/%61dmin" are the path "/admin" to most servers, and a rule for it must not be
// evaded by spelling. So, after RFC 3986, 6.2.2:
//
//   - the query is cut off;
//   - percent-encoding is decoded, also before dots are looked at. What would change its meaning stays encoded, in upper case: %2F is data
//     and not a separator, %3F and %23 begin no query or fragment, %25 no encoding (one decoding, not two), and %00 ends no string;
//   - "." and ".." segments are resolved and repeated slashes merged.
//
// Where servers disagree there is no normal form: it returns false for ".." above the root or behind an empty segment ("/a//../b" is "/a/b" by
// RFC 3986, 5.2.4, and "/b" to those that merge slashes first), for broken percent-encoding, a NUL, a "#", and for whatever is not a path or
// the "*" of OPTIONS. A target in absolute form is the caller's to cut, its empty path to be replaced by "/" (RFC 9110, 4.2.3).
//
// A path that is normal already is returned as the part of target it is, after one pass and without a copy. Any other is built in dst from
// its start; dst grows if it has less room than target and must not overlap it. The result is never longer than target.
func NormalPath(dst, target []byte) ([]byte, bool) {
	if string(target) == "*" {
		return target, true
	}
	if len(target) == 0 || target[0] != '/' {
		return nil, false
	}
	end, normal, ok := inspect(target)
	if !ok {
		return nil, false
	}
	path := target[:end]
	if normal {
		return path, true
	}
	return normalize(slices.Grow(dst[:0], len(path)), path)
}

// pathStops are the bytes at which inspect has to look twice.
var pathStops = [256]bool{0: true, '#': true, '%': true, '/': true, '?': true}

// inspect finds where the path of a target ends, and whether it surely is normal.
func inspect(target []byte) (end int, normal, ok bool) {
	normal = true
	for i, c := range target {
		if !pathStops[c] {
			continue
		}
		switch c {
		case '/':
			if i+1 < len(target) && (target[i+1] == '/' || target[i+1] == '.') {
				normal = false
			}
		case '%':
			normal = false
		case '?':
			return i, normal, true
		default: // NUL and '#'
			return i, false, false
		}
	}
	return len(target), normal, true
}

// normalize appends the normal form of path, which has no query and begins with a slash, to the empty slice out.
func normalize(out, path []byte) ([]byte, bool) {
	skipped := false // an empty segment
	for ok := true; len(path) > 0; {
		start := len(out)
		if out, path, ok = appendSegment(append(out, '/'), path[1:]); !ok {
			return nil, false
		}
		last := len(path) == 0
		switch string(out[start+1:]) {
		case "":
			out = out[:start]
			skipped = skipped || !last
		case ".":
			out = out[:start]
		case "..":
			if start == 0 || skipped {
				return nil, false
			}
			out = out[:bytes.LastIndexByte(out[:start], '/')]
		default:
			continue
		}
		if last { // what ends with a slash or a dot segment is a directory
			out = append(out, '/')
		}
	}
	return out, true
}

// appendSegment decodes path up to its first slash, and returns the rest from that slash on.
func appendSegment(out, path []byte) (segment, rest []byte, ok bool) {
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '/' {
			return out, path[i:], true
		}
		if c != '%' {
			out = append(out, c)
			continue
		}
		if i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2]) {
			return out, nil, false
		}
		c = fromHex(path[i+1])<<4 | fromHex(path[i+2])
		i += 2
		switch c {
		case 0, '#', '%', '/', '?':
			out = append(out, '%', upperHex[c>>4], upperHex[c&15])
		default:
			out = append(out, c)
		}
	}
	return out, nil, true
}

const upperHex = "0123456789ABCDEF"

func isHex(c byte) bool {
	return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'f'
}

// fromHex is the value of a hexadecimal digit.
func fromHex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
