package literal

// A kind is one way to write a value: its name in the reference, and the pure function that reads it. Kinds are built from small
// ones, as in Auto(count.Between("1", "1024")), and know nothing of files, rows or the struct they fill.

import "slices"

// A Kind reads values of type T. It is a value: what changes one returns another.
type Kind[T any] struct {
	Name    string // as in "expected NAME"
	Choices []string
	Limits  string                            // "10ms to 1h"; "" if every value that can be written is allowed
	Parse   func(text, dir string) (T, error) // relative paths in the text start at dir
	Compare func(a, b T) int                  // nil where Between makes no sense
}

// Plain is a parser that needs nothing but the text.
func Plain[T any](parse func(string) (T, error)) func(text, dir string) (T, error) {
	return func(text, _ string) (T, error) { return parse(text) }
}

// Between returns k restricted to min..max, both written as a user would. What is out of range is told the range.
func (k Kind[T]) Between(min, max string) Kind[T] {
	low, high := k.Must(min), k.Must(max)
	parse := k.Parse
	k.Limits = min + " to " + max
	k.Parse = func(text, dir string) (T, error) {
		v, err := parse(text, dir)
		if err == nil && (k.Compare(v, low) < 0 || k.Compare(v, high) > 0) {
			err = Bad("", "%s is out of range", text)
		}
		if p, ok := err.(Problem); ok && p.Hint == "" {
			p.Hint = rangeHint(k.Limits)
			err = p
		}
		return v, err
	}
	return k
}

func rangeHint(limits string) string { return limits + " is allowed" }

// Must reads a text from the tables themselves; a mistake there is found by the first test that runs.
func (k Kind[T]) Must(text string) T {
	v, err := k.Parse(text, "")
	if err != nil {
		panic("configs: the tables hold a bad value: " + err.Error())
	}
	return v
}

// Auto returns k with the word auto for its zero value.
func Auto[T any](k Kind[T]) Kind[T] {
	parse := k.Parse
	k.Name = "auto or " + k.Name
	k.Parse = func(text, dir string) (v T, err error) {
		if text == "auto" {
			return v, nil
		}
		v, err = parse(text, dir)
		if p, ok := err.(Problem); ok && p.Hint == rangeHint(k.Limits) {
			p.Hint += "; auto lets sluice choose"
			err = p
		}
		return v, err
	}
	return k
}

// Zero returns k, whose values have units, with a bare 0.
func Zero[T any](k Kind[T]) Kind[T] {
	parse := k.Parse
	k.Parse = func(text, dir string) (v T, err error) {
		if text == "0" {
			return v, nil
		}
		return parse(text, dir)
	}
	return k
}

// OrOff returns k with the word off, or a bare 0, for its zero value.
func OrOff[T any](k Kind[T]) Kind[T] {
	k = Zero(k)
	parse := k.Parse
	k.Name = "off or " + k.Name
	k.Parse = func(text, dir string) (v T, err error) {
		if text == "off" {
			return v, nil
		}
		return parse(text, dir)
	}
	return k
}

// Choice is one of a few words.
func Choice(words ...string) Kind[string] {
	return Kind[string]{Name: InWords(words, "or"), Choices: words, Parse: func(text, _ string) (string, error) {
		for _, w := range words {
			if text == w {
				return w, nil
			}
		}
		return "", Bad(DidYouMean(text, words), "%q is not %s", text, InWords(words, "or"))
	}}
}

// Numbered is a choice among the names of an enumeration that starts at 0.
func Numbered[T ~uint8](words []string) Kind[T] {
	k := Choice(words...)
	return Kind[T]{Name: k.Name, Choices: words, Parse: func(text, dir string) (T, error) {
		for i, w := range words {
			if text == w {
				return T(i), nil
			}
		}
		_, err := k.Parse(text, dir)
		return 0, err
	}}
}

// Hinted returns k with a hint for words that users of other programs, or of later versions, write.
func Hinted[T any](k Kind[T], hint string, words ...string) Kind[T] {
	parse := k.Parse
	k.Parse = func(text, dir string) (T, error) {
		v, err := parse(text, dir)
		if p, ok := err.(Problem); ok && slices.Contains(words, text) {
			p.Hint = hint
			err = p
		}
		return v, err
	}
	return k
}
