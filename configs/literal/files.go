package literal

// Values that are files: where log records go, certificates, and texts that others take apart. What must be read later is read
// here once, so that a file that is missing is a mistake of the configuration.

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"strings"
)

// LogTarget reads a word or a path. Paths keep a slash, so that a file named off cannot be mistaken for the word.
func LogTarget(s, dir string) (string, error) {
	words := []string{"stdout", "stderr", "off"}
	for _, w := range words {
		if s == w {
			return w, nil
		}
	}
	if s == "" || strings.ContainsRune(s, 0) {
		return "", Bad("write stdout, stderr, off or the path of a file", "%q is not a path", s)
	}
	if near, ok := Nearest(s, words); ok && !strings.Contains(s, "/") {
		return "", Bad("write "+near+", or ./"+s+" for a file of that name", "%q is almost %s", s, near)
	}
	path := JoinPath(dir, s)
	if !strings.Contains(path, "/") {
		path = "./" + path
	}
	return path, nil
}

// Reason is err without the operation and path that the message around it already names.
func Reason(err error) string {
	if pe, ok := err.(*os.PathError); ok {
		err = pe.Err
	}
	return err.Error()
}

// ReadText reads a regular file of at most max bytes.
func ReadText(path string, max int64) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", Bad("relative paths start at the folder of the configuration file", "%s: %s", path, Reason(err))
	}
	if !info.Mode().IsRegular() || info.Size() > max {
		return "", Bad("", "%s is not a regular file of at most %s", path, Size(max))
	}
	f, err := os.Open(path)
	if err != nil {
		return "", Bad("", "%s: %s", path, Reason(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, max))
	if err != nil {
		return "", Bad("", "%s: %s", path, Reason(err))
	}
	return string(text), nil
}

// Authorities reads the path of a PEM file, which must hold a certificate and nothing that cannot be read as one.
func Authorities(text, dir string) (string, error) {
	const fileMax = 4 << 20
	const hint = "the file holds certificates in PEM form: -----BEGIN CERTIFICATE-----"
	if text == "" {
		return "", Bad(hint, "the path of the file is empty")
	}
	path := JoinPath(dir, text)
	data, err := ReadText(path, fileMax)
	if err != nil {
		return "", err
	}
	found := 0
	for block, rest := pem.Decode([]byte(data)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return "", Bad(hint, "%s: its certificate number %d cannot be read: %s", path, found+1, err)
		}
		found++
	}
	if found == 0 {
		return "", Bad(hint, "%s holds no certificate", path)
	}
	return path, nil
}
