package certs

// The key log: the secrets of all connections, in the format of SSLKEYLOGFILE (RFC 9850), with which a capture of the traffic
// can be read. For debugging only.

import (
	"errors"
	"os"
	"sync/atomic"
)

// OpenKeyLog opens path for appending; a new file is for its owner alone. trouble is told, loudly and each time. The owner closes
// the file, after the last connection, and writes to it through a KeyLog.
func OpenKeyLog(path string, trouble func(error)) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		_ = file.Close()
		return nil, &os.PathError{Op: "open", Path: path, Err: errors.New("others may read it: chmod 600 it first, or remove it")}
	}
	trouble(&FileError{File: path, Err: errors.New(
		"THE SECRETS OF ALL TLS CONNECTIONS ARE WRITTEN HERE: whoever reads this file can read everything that is said. For debugging only; remove runtime.key_log afterwards, and the file")})
	return file, nil
}

// A KeyLog writes to a file, and lets handshakes go on when that fails: crypto/tls would end each one. Trouble is told once.
type KeyLog struct {
	File    *os.File
	Trouble func(error)
	told    atomic.Bool
}

// Write implements io.Writer.
func (k *KeyLog) Write(line []byte) (int, error) {
	if _, err := k.File.Write(line); err != nil && !k.told.Swap(true) {
		k.Trouble(&FileError{File: k.File.Name(), Err: err})
	}
	return len(line), nil
}
