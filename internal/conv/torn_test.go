package conv

import "net"

func init() {
	modes = []Mode{{Name: "torn", Wrap: func(c *net.TCPConn) (Wire, error) { return tornWire{c}, nil }}}
}
