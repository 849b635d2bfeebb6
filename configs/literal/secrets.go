package literal

// Secrets are written into the file, and complaints quote the file: a wrong port beside a token must not put the token into a
// log. So the quoted lines have stars where secrets are. That is done on the text itself, because it must work for a text that is
// not YAML, and for a key that is mistyped; a star too many is a small price.

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// secretKeys are the keys whose values are never quoted, wherever they are written.
var secretKeys = []string{"key", "token"}

var (
	aKeyBefore = regexp.MustCompile(`([A-Za-z_-]+)["']?[ \t]*:[ \t]*(?:\n[ \t]+)?`)
	aVariable  = regexp.MustCompile(`^["']?\$\{\w+(:-)?\}["']?$`)      // shows where a secret is, but not what it is
	aKeyFile   = regexp.MustCompile(`^["']?[\w./-]+\.(key|pem)["']?$`) // likewise, where key is that of a certificate
	aQuoted    = regexp.MustCompile(`^(?:"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?)`)
)

// secretMax bounds how far the end of one is looked for: a file of one line must not be read once for each key in it.
const secretMax = 64 << 10

// HideSecrets returns text with a star for each character of a secret. known are the keys of the schema, which are no slips of
// the hand.
func HideSecrets(text string, known map[string][]string) string {
	var b strings.Builder
	from, scanned := 0, 0
	inBrackets := false // whether there may be more on the line than one key and its value
	for _, at := range aKeyBefore.FindAllStringSubmatchIndex(text, -1) {
		before := text[scanned:at[2]]
		if i := strings.LastIndexByte(before, '\n'); i >= 0 {
			before, inBrackets = before[i:], false
		}
		inBrackets = inBrackets || strings.ContainsAny(before, "{,")
		scanned = at[2]
		word := text[at[2]:at[3]]
		_, slip := Nearest(word, secretKeys)
		if at[0] < from || !slices.Contains(secretKeys, word) && (!slip || len(known[word]) > 0) {
			continue
		}
		value := secretAt(text[at[1]:min(len(text), at[1]+secretMax)], inBrackets)
		if aVariable.MatchString(value) || aKeyFile.MatchString(value) {
			continue
		}
		b.WriteString(text[from:at[1]])
		b.WriteString(strings.Repeat("*", utf8.RuneCountInString(value)))
		from = at[1] + len(value)
	}
	return b.String() + text[from:]
}

// secretAt returns the value at the beginning of text: what its quotes enclose, or else up to the end of the line, or of its part
// of { }.
func secretAt(text string, inBrackets bool) string {
	if quoted := aQuoted.FindString(text); quoted != "" {
		return quoted
	}
	ends := "\n"
	if inBrackets {
		ends = ",}]\n"
	}
	if end := strings.IndexAny(text, ends); end >= 0 {
		text = text[:end]
	}
	return strings.TrimRight(text, " \t")
}
