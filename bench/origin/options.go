package origin

import (
	"errors"
	"fmt"
	"time"
)

// Options say where to listen and how to behave.
type Options struct {
	// Addresses are IPv4 addresses that all get the same port: a proxy that
	// connects to several has several times the ephemeral ports to do it from.
	Addresses []string `json:"addresses"`
	// Port is the port; 0 = one that is free, so that an origin that was killed can
	// come back where it was.
	Port int `json:"port,omitempty"`
	// Behaviours are those of the addresses, in their order; a single one is for all
	// of them, and none means prompt and faultless.
	Behaviours []Behaviour `json:"behaviours,omitempty"`
	// Forwarded refuses requests without X-Forwarded-For, so that a proxy cannot
	// look cheap by leaving it out.
	Forwarded bool `json:"forwarded,omitempty"`
	// Polite hands the core over after each event, to a generator on the same core
	// that has a schedule to keep.
	Polite bool `json:"polite,omitempty"`
	// Stop is a descriptor that becomes readable or closed when the origin shall
	// end: its standard input, so that it ends with its parent. -1 for none.
	Stop int `json:"-"`
}

// Behaviour is how an address answers. The zero value answers HTTP at once and
// without faults, and WebSocket upgrades by an echo of messages. Every N counts the
// requests of the address, over all connections; 0 = never. Where several fall on the
// same request, the first of hang, drop, error and close wins.
type Behaviour struct {
	// Delay precedes each answer, and on top of it a random time with an exponential
	// distribution of the mean Jitter, from a fixed seed. Nanoseconds in JSON.
	Delay  time.Duration `json:"delay,omitempty"`
	Jitter time.Duration `json:"jitter,omitempty"`
	// HangEvery is how often a request gets no answer, while its connection stays.
	HangEvery int `json:"hang_every,omitempty"`
	// DropEvery is how often a request gets the end of the connection instead of an
	// answer.
	DropEvery int `json:"drop_every,omitempty"`
	// ErrorEvery is how often the answer is a 503.
	ErrorEvery int `json:"error_every,omitempty"`
	// CloseEvery is how often an answer says Connection: close and ends it.
	CloseEvery int `json:"close_every,omitempty"`
	// Chunked sends bodies in chunks of 4 KiB, without a Content-Length.
	Chunked bool `json:"chunked,omitempty"`
	// SlowBody sends answers no faster than so many bytes per second; 0 = at once.
	SlowBody int `json:"slow_body,omitempty"`
	// Echo returns whatever comes, with no HTTP in it.
	Echo bool `json:"echo,omitempty"`
	// Stream makes each connection one stream of the pattern: "down" sends without
	// end, "up" takes and checks.
	Stream string `json:"stream,omitempty"`
}

// validate refuses what makes no sense.
func (o *Options) validate() error {
	if n := len(o.Behaviours); n > 1 && n != len(o.Addresses) {
		return fmt.Errorf("%d behaviours for %d addresses", n, len(o.Addresses))
	}
	var all []error
	for _, b := range o.Behaviours {
		all = append(all, b.validate())
	}
	return errors.Join(all...)
}

func (b *Behaviour) validate() error {
	if b.Stream != "" && b.Stream != streamDown && b.Stream != streamUp {
		return fmt.Errorf("stream %q is neither %s nor %s", b.Stream, streamDown, streamUp)
	}
	if b.Echo && b.Stream != "" {
		return errors.New("an echo is no stream")
	}
	if min(int(b.Delay), int(b.Jitter), b.HangEvery, b.DropEvery, b.ErrorEvery, b.CloseEvery, b.SlowBody) < 0 {
		return fmt.Errorf("something negative in %+v", *b)
	}
	return nil
}

const (
	streamDown = "down"
	streamUp   = "up"
)
