package upstream

// Sticky sessions: a cookie with the label of the server that answered brings the client back to it, as long as it is
// there and usable; else the policy chooses, and the cookie is set anew.
//
// A label is a keyed hash of the server's address. So a cookie tells nobody where servers are, nobody can make one for a
// server of his choice, and nothing has to be remembered: every loop, and every instance with the same key, finds the
// same server.

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"

	"sluice/configs"
	"sluice/engine/exchange"
	"sluice/engine/lease"
)

// Sticky is the cookie of an upstream.
type Sticky struct {
	name       string
	before     string // the value
	after      string // likewise
	afterHTTPS string // likewise, over TLS
	key        []byte
	made       bool // the key is not the user's
}

const (
	// labelBytes of the hash make a label: enough that nobody hits one by guessing.
	labelBytes = 12
	keyBytes   = 32
)

// NewSticky returns the cookie as configured; nil for none. Without a key of the user's it makes one, or goes on with the
// one that was made for the configuration before, which may be nil: cookies outlive configurations.
func NewSticky(from *configs.Sticky, before *Sticky) *Sticky {
	if from == nil {
		return nil
	}
	s := &Sticky{name: from.Cookie, before: from.Cookie + "=", after: "; Path=/; HttpOnly; SameSite=Lax", key: []byte(from.Key)}
	switch {
	case len(s.key) > 0:
	case before != nil && before.made:
		s.key, s.made = before.key, true
	default:
		s.key, s.made = make([]byte, keyBytes), true
		_, _ = rand.Read(s.key) // it never fails
	}
	if from.TTL > 0 {
		s.after += "; Max-Age=" + strconv.Itoa(int(from.TTL.Seconds()))
	}
	s.afterHTTPS = s.after + "; Secure"
	return s
}

// Label is the label of a server at address in the upstream called name.
func (s *Sticky) Label(name, address string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(name + "\x00" + address))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:labelBytes])
}

// preferred is the server that the client's cookie names; nil without one.
func (p *Proxy) preferred(x *exchange.Exchange) *lease.Backend {
	if p.Sticky == nil {
		return nil
	}
	return p.Upstream.ByLabel(cookie(&x.Request, p.Sticky.name))
}

// stick has the client come back to b, unless its cookie says so already, or b has just said that it cannot serve.
func (p *Proxy) stick(x *exchange.Exchange, b *lease.Backend) {
	s := p.Sticky
	if s == nil || unfit(x.Response.Status) || string(cookie(&x.Request, s.name)) == b.Label {
		return
	}
	after := s.after
	if x.Scheme == "https" {
		after = s.afterHTTPS
	}
	x.Response.AddString("Set-Cookie", s.before+b.Label+after)
}
