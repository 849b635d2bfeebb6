package configs

import "sluice/configs/literal"

// A kind is one way to write a value. Most are in room kinds.
type kind[T any] = literal.Kind[T]

// placed returns k with the position kept beside the value.
func placed[T any](k kind[T]) kind[Value[T]] {
	return kind[Value[T]]{Name: k.Name, Choices: k.Choices, Limits: k.Limits, Parse: func(text, dir string) (v Value[T], err error) {
		v.V, err = k.Parse(text, dir)
		return v, err // parse knows the position
	}}
}

var proxyMode = literal.Hinted(literal.Numbered[ProxyMode](proxyModes), "did you mean accept or require?", "on", "true", "yes", "v1", "v2")
