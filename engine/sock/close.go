package sock

// Closing: one way out for every connection.
//
// A descriptor is forgotten at once and closed in a later turn, because an event for it may still wait in the
// present batch, and a newcomer with the same number would receive it.

// Close ends the connection in order: what was written still arrives, followed by the end of the stream, and with TLS by
// close_notify before it. Bytes that
// have arrived and were never read turn it into a reset, which is the kernel's rule.
func (c *Conn) Close() {
	if c.layer != nil {
		c.layer.bid()
	}
	c.letGo()
	c.burySoon()
}

// Reset cuts the connection: the peer sees a reset, after the bytes that were already written. (A unix socket has no
// reset; its peer sees the end.) While the kernel still holds unacknowledged bytes, which a reset would destroy, the
// descriptor lingers for as long as they make progress, within bounds.
func (c *Conn) Reset() {
	c.letGo()
	if !c.has(stream) {
		c.cut()
	}
	c.burySoon()
}

// Cut is Reset behind what is queued, as far as the peer takes that at once: what came before a failure still arrives.
func (c *Conn) Cut() {
	if c.state == open && c.cause == 0 {
		c.flushOut()
	}
	c.Reset()
}

// Drop cuts the connection at once: what has not arrived is lost. It is for a peer that takes nothing any more.
func (c *Conn) Drop() {
	c.letGo()
	if !c.has(stream) {
		c.net.Sys.ResetOnClose(int(c.fd))
	}
	c.burySoon()
}

// cut arranges for the reset, now or when the last bytes have arrived.
func (c *Conn) cut() {
	if c.cause == 0 && c.net.linger(int(c.fd)) {
		c.fd = -1 // it belongs to the lingerer now
		return
	}
	c.net.Sys.ResetOnClose(int(c.fd))
}

// letGo gives back everything the connection holds.
func (c *Conn) letGo() {
	c.set(closing)
	c.net.Loop.Forget(int(c.fd))
	c.dropHead()
	c.dropOut()
	c.dropPipe()
	if c.layer != nil {
		c.layer.release()
		c.layer = nil
	}
	c.source, c.sink, c.chunk, c.peeker, c.owner = nil, nil, nil, nil, nil
	c.tail = ""
}

// burySoon has the descriptor closed in a later turn. A task that waits in the ring would run within this one, so it
// is sent round once more.
func (c *Conn) burySoon() {
	if c.task.Queued() {
		c.add(again)
		return
	}
	c.net.Loop.Later(&c.task)
}

func (c *Conn) bury() {
	if c.has(again) {
		c.clear(again)
		c.net.Loop.Later(&c.task)
		return
	}
	if c.fd >= 0 {
		c.net.Sys.Close(int(c.fd))
	}
	c.free()
}

func (c *Conn) free() {
	c.set(free)
	c.owner, c.peeker, c.source, c.sink, c.chunk = nil, nil, nil, nil, nil // they would live as long as the connection's memory
	c.net.conns.Put(c)
}
