package configs

// Every kind of complaint, compared with the whole text that a user sees. The cases are in testdata/errors.txt:
//
//	=== name
//	the file
//	--- what is printed
//	the issues, or for a valid file its warnings
//
// The folder certs is made by the test.
//
// After a wanted change: go test ./configs -run Golden -update, and read the difference.

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files and the reference")

const printed = "--- what is printed\n"

func TestGoldenMessages(t *testing.T) {
	path, err := filepath.Abs("testdata/errors.txt")
	if err != nil {
		t.Fatal(err)
	}
	inTheirFolder(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var now strings.Builder
	for _, c := range strings.Split("\n"+string(text), "\n=== ")[1:] {
		name, body, _ := strings.Cut(c, "\n")
		src, want, _ := strings.Cut(strings.TrimRight(body, "\n")+"\n", printed)
		got := complaints(src)
		now.WriteString("=== " + name + "\n" + src + printed + got + "\n")
		t.Run(name, func(t *testing.T) {
			if got == "" {
				t.Error("nothing to complain about")
			}
			if strings.TrimSpace(got) != strings.TrimSpace(want) && !*update {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
	if *update {
		if err := os.WriteFile(path, []byte(now.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// complaints parses src and returns what a user is shown. The byte 0xFF cannot be in a golden file, so ÿ stands for it.
func complaints(src string) string {
	c, err := Parse("sluice.yaml", []byte(strings.ReplaceAll(src, "ÿ", "\xff")))
	if err != nil {
		return err.Error()
	}
	return c.Warnings.Error()
}

func TestGoldenFileKeepsItsCases(t *testing.T) {
	text, err := os.ReadFile("testdata/errors.txt")
	if err != nil {
		t.Fatal(err)
	}
	if cases, answers := strings.Count(string(text), "=== "), strings.Count(string(text), printed); cases < 30 || cases != answers {
		t.Errorf("%d cases and %d answers", cases, answers)
	}
}
