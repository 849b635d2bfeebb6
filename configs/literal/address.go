package literal

// Addresses: where to listen, and where servers are. Both are "host:port" or "unix:/path"; a listener's host is an IP address
// or nothing, a server's may be a name, which is looked up at start. Servers may also be found while the proxy runs: by a name
// that is asked for again and again, or in a file that is watched.

import (
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// An Address is a TCP or unix socket address, or where servers are found. Host is a canonical IP address (IPv4-mapped ones
// unmapped, no brackets), a lower-case name (servers only) or "" (listeners only: every address of the machine).
type Address struct {
	Network string // "tcp" | "unix"; of servers that are found: "dns" | "srv" | "file"
	Host    string // of srv: the name of the records
	Port    uint16 // of srv: 0
	Path    string // of a unix socket or a file
	Scheme  string // of servers, as they are written: "http" | "https", or ""; the loader takes it off
}

// String returns a as a user would write it: ":8080", "[::1]:8080", "db.internal:5432", "unix:/run/x.sock", "dns://app:80".
func (a Address) String() string {
	hostPort := net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
	switch a.Network {
	case "unix", "file":
		return a.Network + ":" + a.Path
	case "srv":
		return "srv://" + a.Host
	case "dns":
		return "dns://" + hostPort
	}
	return hostPort
}

// unixPathMax is sizeof(sockaddr_un.sun_path) on Linux, less the final NUL (unix(7)).
const unixPathMax = 107

const bindHint = `write ":8080", "127.0.0.1:8080", "[::1]:8080" or "unix:/path"`

// Bind reads where to listen. Relative paths of unix sockets start at dir.
func Bind(s, dir string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return unixAddress(path, dir)
	}
	if IsDigits(s) {
		return Address{}, Bad(`write ":`+s+`"`, "%q is not an address: a port needs a colon", s)
	}
	a, err := hostPort(s, bindHint)
	if err != nil || a.Host == "" {
		return a, err
	}
	if a.Host == "*" {
		return a, Bad(`write ":`+strconv.Itoa(int(a.Port))+`" for every address`, "%q is not an IP address", a.Host)
	}
	ip, err := parseIP(a.Host, bindHint)
	a.Host = ip
	return a, err
}

const serverHint = `write "host:port", "https://host:port", "unix:/path", "dns://name:port", "srv://_service._proto.name" or "file:path"`

// Server reads where a server is, or where servers are found. Relative paths start at dir.
func Server(s, dir string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "file:"); ok {
		return fileAddress(path, dir)
	}
	scheme, rest, _ := strings.Cut(s, "://")
	switch scheme {
	case "dns":
		return nameAddress(rest)
	case "srv":
		return recordsAddress(rest)
	}
	return FixedServer(s, dir)
}

// FixedServer reads where a single server is. Relative paths of unix sockets start at dir.
func FixedServer(s, dir string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return unixAddress(path, dir)
	}
	if s == "" {
		return Address{}, Bad(`write "10.0.0.1:8080", "[::1]:8080", "name:8080" or "unix:/path"`, "the address is empty")
	}
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case !ok && !strings.HasPrefix(s, "file:"):
		return serverHost(s)
	case !ok, scheme == "dns", scheme == "srv", scheme == "file":
		return Address{}, Bad("list it among the servers of the configuration", "%q is not a server, but a place where some are found", s)
	case scheme != "http" && scheme != "https":
		return Address{}, Bad(serverHint, "servers with %s:// are not supported", scheme)
	}
	host, _, path := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	if path {
		return Address{}, Bad("write "+host+"; rewrite in a route changes paths", "%q has a path, and servers have none", s)
	}
	a, err := serverHost(host)
	if err != nil {
		return Address{}, err
	}
	a.Scheme = scheme
	return a, nil
}

// nameAddress reads the "name:port" of a server that is looked up again and again.
func nameAddress(text string) (Address, error) {
	a, err := serverHost(text)
	if err != nil {
		return Address{}, Bad(`as in "dns://app.example:8080"`, "%s", err)
	}
	if looksLikeIP(a.Host) {
		return Address{}, Bad(`write "`+text+`"`, "%q is an IP address: there is nothing to look up", a.Host)
	}
	a.Network = "dns"
	return a, nil
}

// recordsAddress reads the name of SRV records (RFC 2782), which tell ports and weights.
func recordsAddress(text string) (Address, error) {
	const hint = `as in "srv://_http._tcp.app.example"`
	if name, _, ok := strings.Cut(text, ":"); ok {
		return Address{}, Bad(`write "srv://`+name+`"`, "%q has a port, and SRV records tell it", text)
	}
	host := strings.ToLower(text)
	if why := badHostName(strings.TrimSuffix(host, ".")); why != "" {
		return Address{}, Bad(hint, "%q is not the name of SRV records: %s", text, why)
	}
	labels := strings.SplitN(host, ".", 3)
	if len(labels) < 3 || labels[0][0] != '_' || labels[1][0] != '_' {
		return Address{}, Bad(hint, "%q is not the name of SRV records: these begin with _service._proto", text)
	}
	return Address{Network: "srv", Host: host}, nil
}

// fileAddress reads the path of a file that lists servers.
func fileAddress(path, dir string) (Address, error) {
	const hint = `as in "file:servers.txt" or "file:/etc/sluice/servers.txt"`
	switch rest, url := strings.CutPrefix(path, "//"); {
	case path == "" || strings.ContainsRune(path, 0):
		return Address{}, Bad(hint, "the path of the file is missing")
	case url && !strings.HasPrefix(rest, "/"):
		return Address{}, Bad(`write "file:`+rest+`"`, "%q is not a path", path)
	}
	return Address{Network: "file", Path: JoinPath(dir, path)}, nil
}

// serverHost reads "host:port", where the host is an IP address or a name.
func serverHost(text string) (Address, error) {
	a, err := hostPort(text, serverHint)
	if err != nil {
		return a, err
	}
	if a.Host == "" {
		return a, Bad(`write the host, as in "127.0.0.1`+text+`"`, "%q has no host", text)
	}
	if looksLikeIP(a.Host) {
		a.Host, err = parseIP(a.Host, serverHint)
		return a, err
	}
	a.Host = strings.ToLower(a.Host)
	if why := badHostName(strings.TrimSuffix(a.Host, ".")); why != "" {
		return a, Bad(serverHint, "%q is not a host name: %s", a.Host, why)
	}
	return a, nil
}

// hostPort splits text and checks the port. The host is as written, without brackets.
func hostPort(text, hint string) (Address, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		if strings.Count(text, ":") > 1 && !strings.ContainsAny(text, "]/") {
			hint = `IPv6 addresses need brackets, as in "[::1]:8080"`
		} else if !strings.Contains(text, ":") || strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
			hint = `the port is missing, as in "` + text + `:8080"`
		}
		return Address{}, Bad(hint, "%q is not an address", text)
	}
	n, err := Port(port)
	if err != nil {
		return Address{}, err
	}
	return Address{Network: "tcp", Host: host, Port: n}, nil
}

// parseIP returns the canonical form of an IP address.
func parseIP(host, hint string) (string, error) {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "", Bad(hint, "%q is not an IP address", host)
	}
	if ip.Zone() != "" {
		return "", Bad("", "%q has a zone, which is not supported", host)
	}
	return ip.Unmap().String(), nil
}

// looksLikeIP tells a mistyped IP address, such as 10.0.0.256, from a name: no name ends in a number (RFC 3696, section 2).
func looksLikeIP(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	return strings.Contains(host, ":") || IsDigits(last)
}

// badHostName says what is wrong with a lower-case host name (RFC 1123, section 2.1; '_' is common in practice), or "".
func badHostName(host string) string {
	switch {
	case host == "":
		return "it is empty"
	case len(host) > 253:
		return "it is longer than 253 characters"
	}
	for label := range strings.SplitSeq(host, ".") {
		switch {
		case label == "":
			return "a label between dots is empty"
		case len(label) > 63:
			return "a label is longer than 63 characters"
		case label[0] == '-' || label[len(label)-1] == '-':
			return "a label begins or ends with '-'"
		case strings.ContainsFunc(label, func(r rune) bool { return !isLetterOrDigit(r) && r != '-' && r != '_' }):
			return "only letters, digits, '-' and '_' are allowed (other alphabets as xn--...)"
		}
	}
	return ""
}

func unixAddress(path, dir string) (Address, error) {
	switch {
	case path == "":
		return Address{}, Bad(`write "unix:/run/name.sock"`, "the path of the unix socket is missing")
	case path[0] == '@' || strings.ContainsRune(path, 0):
		return Address{}, Bad(`write "unix:/run/name.sock"`, "abstract unix sockets are not supported")
	}
	path = JoinPath(dir, path)
	if len(path) > unixPathMax {
		return Address{}, Bad("use a shorter path", "the path of the unix socket has %d bytes, and the system allows %d", len(path), unixPathMax)
	}
	return Address{Network: "unix", Path: path}, nil
}

// JoinPath returns path as seen from the folder of the configuration file.
func JoinPath(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}
