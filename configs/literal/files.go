package literal

// Values that are files: where log records go, and texts that others take apart.

import (
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

// FilePath reads the path of a file, which others open.
func FilePath(text, dir string) (string, error) {
	switch {
	case text == "":
		return "", Bad("write the path of a file, or remove the key", "the path of the file is empty")
	case strings.Contains(text, "-----BEGIN"):
		return "", Bad("write this text into a file of its own, and its path here", "a path is expected, and this is the text of a file")
	case strings.ContainsRune(text, 0):
		return "", Bad("", "%q is not a path", text)
	}
	return JoinPath(dir, text), nil
}

// FilePathOrNone is FilePath, of which an empty text is none.
func FilePathOrNone(text, dir string) (string, error) {
	if text == "" {
		return "", nil
	}
	return FilePath(text, dir)
}

// OpenToAll tells whether every user of the machine may read the file at path, and the mode that says so.
func OpenToAll(path string) (os.FileMode, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	return info.Mode().Perm(), info.Mode()&0o004 != 0
}
