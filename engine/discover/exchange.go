package discover

// One question to one name server: over UDP (RFC 1035, section 4.2.1), and again over TCP if the answer did not fit.
//
// Each question has a socket of its own, so a forger must guess the port as well as the id. On UDP what does not belong to the
// question is ignored and the wait goes on: giving up at the first wrong datagram would let anybody who can send one break
// the name.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// udpSize is what EDNS0 says can be received in one datagram (RFC 6891): it fits into one packet on every ordinary path, so
// that no answer depends on fragments.
const udpSize = 1232

var (
	errSilent  = errors.New("no answer")
	errForeign = errors.New("the answer is to another question")
	errLame    = errors.New("it neither knows the name nor asks others")
)

// past is a deadline that is over.
var past = time.Unix(1, 0)

// newQuestion asks for records of one type. The name is fully qualified.
func newQuestion(name string, qtype uint16) *dns.Msg {
	q := new(dns.Msg).SetQuestion(name, qtype) // with a random id, and recursion desired
	return q.SetEdns0(udpSize, false)
}

// exchange returns the answer of server to q. It is one that decides: that there are records, that there are none, or that the
// name does not exist (RFC 2308). Everything else is an error, and another server may know better.
func exchange(ctx context.Context, server netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	answer, err := over(ctx, "udp", server, q)
	if err == nil && answer.Truncated {
		answer, err = over(ctx, "tcp", server, q)
	}
	if err == nil {
		err = refused(answer)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: name server %s: %w", shown(q.Question[0].Name), dns.TypeToString[q.Question[0].Qtype], server, err)
	}
	return answer, nil
}

// over sends q and waits for its answer.
func over(ctx context.Context, network string, server netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, plain(err)
	}
	defer raw.Close()
	// The end of ctx, be it time or Close, ends the calls below.
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(past) })
	defer stop()
	conn := &dns.Conn{Conn: raw, UDPSize: udpSize}
	if err := conn.WriteMsg(q); err != nil {
		return nil, plain(err)
	}
	if network == "tcp" {
		return receiveStream(conn, q)
	}
	return receiveDatagram(conn, q)
}

// receiveDatagram waits for the datagram that answers q.
func receiveDatagram(conn *dns.Conn, q *dns.Msg) (*dns.Msg, error) {
	for {
		packet, err := conn.ReadMsgHeader(nil)
		if errors.Is(err, dns.ErrShortRead) {
			continue
		}
		if err != nil {
			return nil, plain(err)
		}
		answer := new(dns.Msg)
		err = answer.Unpack(packet)
		// A truncated answer may end inside a record: all that is needed of it is the bit that says so.
		if belongs(answer, q) && (err == nil || answer.Truncated) {
			return answer, nil
		}
	}
}

// receiveStream reads the one answer on a TCP connection, which nobody can forge blindly: what is wrong there is the server's.
func receiveStream(conn *dns.Conn, q *dns.Msg) (*dns.Msg, error) {
	packet, err := conn.ReadMsgHeader(nil)
	if err != nil {
		return nil, plain(err)
	}
	answer := new(dns.Msg)
	if err := answer.Unpack(packet); err != nil {
		return nil, err
	}
	if !belongs(answer, q) {
		return nil, errForeign
	}
	return answer, nil
}

// belongs reports whether answer is one to q (RFC 5452, section 9.1).
func belongs(answer, q *dns.Msg) bool {
	if answer.Id != q.Id || !answer.Response || answer.Opcode != dns.OpcodeQuery || len(answer.Question) != 1 {
		return false
	}
	asked, echoed := q.Question[0], answer.Question[0]
	return strings.EqualFold(asked.Name, echoed.Name) && asked.Qtype == echoed.Qtype && asked.Qclass == echoed.Qclass
}

// refused says why an answer decides nothing, or nil.
func refused(answer *dns.Msg) error {
	switch answer.Rcode {
	case dns.RcodeNameError:
		return nil
	case dns.RcodeSuccess:
		if len(answer.Answer) == 0 && !answer.Authoritative && !answer.RecursionAvailable {
			return errLame // a referral is not the news that there is nothing
		}
		return nil
	}
	if name, ok := dns.RcodeToString[answer.Rcode]; ok {
		return errors.New(name)
	}
	return fmt.Errorf("error %d", answer.Rcode)
}

// plain takes the addresses out of a network error: the caller's text has them.
func plain(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return errSilent
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// shown is a fully qualified name as people write it.
func shown(fqdn string) string {
	if fqdn == "." {
		return fqdn
	}
	return strings.TrimSuffix(fqdn, ".")
}
