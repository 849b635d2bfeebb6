package seal

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"testing"

	"sluice/internal/assert"
)

// Records of any length, in pieces of any length: each is counted once, when its last byte comes.
func TestFramerCountsRecords(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var stream []byte
		var ends []int
		for range 1 + rng.IntN(8) {
			n := rng.IntN([]int{1, 3, 300, 17_000}[rng.IntN(4)])
			stream = append(stream, 23, 3, 3, byte(n>>8), byte(n))
			stream = append(stream, make([]byte, n)...)
			ends = append(ends, len(stream))
		}
		var r framer
		for at, seen := 0, 0; at < len(stream); {
			n := min(len(stream)-at, 1+rng.IntN([]int{1, 7, 40_000}[rng.IntN(3)]))
			seen += r.feed(stream[at : at+n])
			at += n
			want := 0
			for _, end := range ends {
				if end <= at {
					want++
				}
			}
			assert.Equal(t, seen, want)
			assert.Equal(t, r.aligned(), want > 0 && ends[want-1] == at)
		}
	}
}

// Who speaks something else is noticed by the first five bytes, not when the record would be complete that they seem to begin.
func TestFramerNoticesWhatIsNoTLS(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"HTTP/1.1 400", "220 mail", "SSH-2.0-", "\x16\x02\x00\x00\x05", "\x16\x03\x01\x48\x01"} {
		var r framer
		assert.Equal(t, r.feed([]byte(text[:4])), 0)
		assert.Equal(t, []any{r.feed([]byte(text[4:])), r.aligned()}, []any{1, false})
		assert.Equal(t, []any{r.feed([]byte("more")), r.feed(nil)}, []any{1, 0})
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		err  error
		kind Kind
		text string
	}{
		{io.EOF, Gone, "peer closed the connection during the handshake"},
		{io.ErrUnexpectedEOF, Gone, "peer closed the connection during the handshake"},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: unknown certificate authority")}, Refused, "peer sent alert: unknown certificate authority"},
		{errors.New("tls: peer doesn't support any of the certificate's signature algorithms"), Protocol, "peer doesn't support any of the certificate's signature algorithms"},
		{errors.New("tls: received unexpected handshake message of type *tls.finishedMsg when waiting for *tls.certificateMsgTLS13"),
			Protocol, "received unexpected handshake message of type *tls.finishedMsg when waiting for *tls.certificateMsgTLS13"},
		{&net.OpError{Op: "local error", Err: errors.New("tls: bad record MAC")}, Protocol, "bad record MAC"},
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, Certificate, "certificate signed by unknown CA"},
		{&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a"}}, Host: "b\n\x00"}},
			Certificate, "certificate is valid for a, not b??"},
		{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, NotTLS, "first record does not look like a TLS handshake"},
		{errors.New("tls: client didn't provide a certificate"), Certificate, "client didn't provide a certificate"},
		{errors.New("tls: " + strings.Repeat("long", 100)), Protocol, strings.Repeat("long", 100)[:textMax]},
	} {
		f := explain(one.err)
		assert.Equal(t, []any{f.Kind, f.Error()}, []any{one.kind, one.text})
	}
	for k := range kinds {
		assert.Equal(t, k.String() != "" && k.String() != "invalid", true)
	}
	assert.Equal(t, kinds.String(), "invalid")
}

// What the shim says must be what crypto/tls forgets, or keeps, as we want it; and system errors are not passed on,
// because some of them call themselves temporary.
func TestErrorsOfTheShim(t *testing.T) {
	t.Parallel()
	assert.Equal(t, errEmpty.Temporary(), true)
	for _, err := range []error{errLost, errOverrun, errAbandoned} {
		var temporary net.Error
		assert.Equal(t, errors.As(err, &temporary), false)
	}
	var system net.Error
	assert.Equal(t, errors.As(syscall.ECONNRESET, &system), true)
}
