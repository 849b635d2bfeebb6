package main

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"sluice/internal/assert"
)

func TestPristine(t *testing.T) {
	const smaps = `00400000-00600000 r-xp 00000000 fe:00 1203                       /usr/bin/sluice
Size:               2048 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me sd
00600000-00601000 r--p 00200000 fe:00 1203                       /usr/bin/sluice
Anonymous:             4 kB
00601000-00701000 r--p 00201000 fe:00 1203                       /usr/bin/sluice
Rss:                  16 kB
Anonymous:             0 kB
00701000-00801000 rw-p 00301000 fe:00 1203                       /usr/bin/sluice
Anonymous:             0 kB
c000000000-c000400000 r--p 00000000 00:00 0
Anonymous:             0 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 1204               /usr/lib/other
Anonymous:             0 kB
7f0000002000-7f0000003000 r--s 00000000 fe:00 1203               /usr/bin/sluice
Anonymous:             0 kB
`
	assert.Equal(t, pristine(strings.NewReader(smaps), "/usr/bin/sluice"), []mapping{{0x400000, 0x200000}, {0x601000, 0x100000}})
	assert.Equal(t, pristine(strings.NewReader(smaps), "/bin/sluice"), nil)
}

// TestSlim: most pages of the program's file are gone, and the program still runs.
func TestSlim(t *testing.T) {
	before := residentOfFiles(t)
	slim()
	after := residentOfFiles(t)
	t.Logf("pages of files: %d kB, then %d kB", before, after)
	if after > before*3/4 {
		t.Errorf("of %d kB %d stay", before, after)
	}
	TestPristine(t)
}

// residentOfFiles is in kB.
func residentOfFiles(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "RssFile:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb
}
