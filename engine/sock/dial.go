package sock

import "syscall"

// Dial begins a connection. The owner hears Connected or Broken later, never from inside Dial; an error that shows
// at once is returned, and then there is no connection. The owner keeps the deadline.
func (n *Net) Dial(to *Addr, owner Owner) (*Conn, syscall.Errno) {
	fd, err := n.Sys.Dial(to)
	if err != 0 {
		return nil, err
	}
	c, err := n.conn(fd)
	if err != 0 {
		return nil, err
	}
	c.owner = owner
	if to.Path != "" {
		c.add(stream | rough)
	} else {
		c.peer = to.Addr
		c.add(lazy)
	}
	return c, 0
}

// Adopt makes a connection of an accepted descriptor. Without an address it is a unix socket's.
func (n *Net) adopt(fd int, from source) (*Conn, syscall.Errno) {
	c, err := n.conn(fd)
	if err != 0 {
		return nil, err
	}
	c.peer = from.peer
	if from.stream {
		c.add(stream | rough)
	}
	return c, 0
}
