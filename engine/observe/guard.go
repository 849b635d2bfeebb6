package observe

// Who may use the admin address. Three things keep strangers out:
//
//	a token          compared in constant time; needed wherever another machine can connect
//	the Host field   on a loopback address without a token: a web page whose name was rebound to 127.0.0.1 sends its own name
//	the Origin field on commands: a web page may send them anywhere, but browsers say from where
//
// Health is for load balancers, which carry neither tokens nor names. It says one word, so it is open to all who can connect.

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

const healthPrefix = "/health/"

// guard admits to next those who may. With local set, the request must be for a name of this machine.
func guard(next http.Handler, token string, local bool) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, healthPrefix):
		case local && !namesThisMachine(r.Host):
			fail(w, http.StatusForbidden, "this address answers to localhost and to loopback addresses only, not to the host "+quote(r.Host)+"; set admin.token to use other names")
			return
		case token != "" && !bears(r, want):
			w.Header().Set("WWW-Authenticate", `Bearer realm="sluice"`)
			fail(w, http.StatusUnauthorized, "the admin address wants the token of the configuration: Authorization: Bearer TOKEN")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bears tells whether r carries the token whose hash is want (RFC 6750, section 2.1). Hashes have one length, so the time
// of the comparison tells nothing of the token's.
func bears(r *http.Request, want [sha256.Size]byte) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// namesThisMachine tells whether a Host field can only mean the machine the client runs on. Without one (HTTP/1.0) the
// client is no browser.
func namesThisMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	ip, err := netip.ParseAddr(host)
	return host == "" || strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// sameOrigin refuses commands that a web page of somebody else has sent.
func sameOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusForbidden, "commands from web pages of other origins are refused")
	}))
	return protection.Handler(next)
}
