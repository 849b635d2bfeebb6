package tree

// The file as it lies on the disk, and its text in one form.

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ReadFile returns the file at path, of which no more is read than a text may have. The error is Issues.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err, "name another file with -c FILE")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, TextMax+1))
	switch {
	case errors.Is(err, syscall.EISDIR):
		return nil, unreadable(path, err, "name the file in it, as in -c "+filepath.Join(path, "sluice.yaml"))
	case err != nil:
		return nil, unreadable(path, err, "")
	}
	return text, nil
}

func unreadable(path string, err error, hint string) Issues {
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err // the message names the path already
	}
	return Issues{{File: path, Message: "the configuration cannot be read: " + err.Error(), Hint: hint}}
}

// lineEnds makes one kind of YAML's three, so that lines are counted alike everywhere (YAML 1.2.2, 5.4).
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// Normal returns text without a byte order mark, as Windows editors leave, and with one kind of line ends.
func Normal(text string) string { return lineEnds.Replace(strings.TrimPrefix(text, "\uFEFF")) }
