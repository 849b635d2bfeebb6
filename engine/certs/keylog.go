package certs

// The key log: the secrets of all connections, in the format of SSLKEYLOGFILE (RFC 9850), with which a capture of the traffic
// can be read. For debugging only.

import (
	"errors"
	"os"
)

// OpenKeyLog opens path for appending; a new file is for its owner alone. trouble is told, loudly and each time. The owner closes
// the file, after the last connection.
func OpenKeyLog(path string, trouble func(error)) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	trouble(&FileError{File: path, Err: errors.New(
		"THE SECRETS OF ALL TLS CONNECTIONS ARE WRITTEN HERE: whoever reads this file can read everything that is said. For debugging only; remove runtime.key_log afterwards, and the file")})
	return file, nil
}
