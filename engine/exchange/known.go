package exchange

// The field names that some room treats differently. Finding out once, on parse, spares everybody else comparisons.

// ID is a known field name; Other is any other name.
type ID uint8

// The known names. Those up to Upgrade are about one hop only (RFC 9110, section 7.6.1): a codec consumes them, and they
// are never passed on by themselves.
const (
	Other ID = iota
	Connection
	KeepAlive
	ProxyConnection
	TE
	Upgrade
	HTTP2Settings
	ContentLength
	TransferEncoding
	Trailer
	Host
	Expect
	Via
	Forwarded
	XForwardedFor
	XForwardedProto
	XForwardedHost
	XForwardedPort
	Accept
	Cookie
	Location
	Date
	ids
)

// ids must fit the mask of a head.
var _ = [1]struct{}{}[ids/64]

var idNames = [ids]string{
	Connection: "connection", KeepAlive: "keep-alive", ProxyConnection: "proxy-connection", TE: "te", Upgrade: "upgrade",
	HTTP2Settings: "http2-settings", ContentLength: "content-length", TransferEncoding: "transfer-encoding",
	Trailer: "trailer", Host: "host", Expect: "expect", Via: "via", Forwarded: "forwarded",
	XForwardedFor: "x-forwarded-for", XForwardedProto: "x-forwarded-proto", XForwardedHost: "x-forwarded-host",
	XForwardedPort: "x-forwarded-port", Accept: "accept", Cookie: "cookie", Location: "location", Date: "date",
}

// String is the name in lower case; "" for Other.
func (id ID) String() string { return idNames[id] }

// Hop reports whether the field is about one hop only, whatever Connection says.
func (id ID) Hop() bool { return id >= Connection && id <= HTTP2Settings }

// byLength lists the known names of each length, which tells most names apart by itself.
var byLength = func() (table [32][]ID) {
	for id := Other + 1; id < ids; id++ {
		table[len(idNames[id])] = append(table[len(idNames[id])], id)
	}
	return table
}()

// Known finds the ID of a name, in any case of its letters.
func Known[T string | []byte](name T) ID {
	if len(name) >= len(byLength) {
		return Other
	}
	for _, id := range byLength[len(name)] {
		if sameName(name, idNames[id]) {
			return id
		}
	}
	return Other
}

// clientCert is how fields begin that tell a server of the client's certificate. Only the proxy writes them.
const clientCert = "x-client-cert-"

// ClientCertLen is less than the length of every such name.
const ClientCertLen = uint32(len(clientCert))

// IsClientCert reports whether a name, in any case of its letters, is one of these.
func IsClientCert[T string | []byte](name T) bool {
	return len(name) > len(clientCert) && sameName(name[:len(clientCert)], clientCert)
}

// sameName compares from the end, where names of one length differ first ("x-forwarded-…").
func sameName[T string | []byte](name T, known string) bool {
	for i := len(known) - 1; i >= 0; i-- {
		if lower(name[i]) != known[i] {
			return false
		}
	}
	return true
}
