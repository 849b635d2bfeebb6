package key

// Source is what a policy that goes by a key takes it from.
type Source uint8

// The sources of keys. What a request does not have is replaced by the client's address.
const (
	ClientIP Source = iota
	SNI
	Path
	URI
	Host
	Header
	Cookie
)

var sources = map[string]Source{
	"client_ip": ClientIP, "sni": SNI, "path": Path, "uri": URI, "host": Host, "header": Header, "cookie": Cookie,
}

// ParseSource reads the word of a configuration, which has checked it.
func ParseSource(word string) Source { return sources[word] }
