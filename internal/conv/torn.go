package conv

import "net"

type tornWire struct{ *net.TCPConn }

func (t tornWire) Write(b []byte) (int, error) {
	if len(b) > 3000 {
		return t.TCPConn.Write(b)
	}
	for i := 0; i < len(b); i += 7 {
		if _, err := t.TCPConn.Write(b[i:min(i+7, len(b))]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

