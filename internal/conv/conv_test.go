package conv

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/assert"
)

// modes are what every script is played in.
var modes = []Mode{H1, H1TLS, H1TLSBoth}

// loopCounts are how many loops the engine has.
var loopCounts = []int{1, 2}

// playedAtOnce is how many scripts are played at a time: they mostly wait for each other's turns.
const playedAtOnce = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", playedAtOnce); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func TestConversations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	assert.NoError(t, err)
	assert.Equal(t, len(files) > 25, true)
	for _, file := range files {
		text, err := os.ReadFile(file)
		assert.NoError(t, err)
		scripts, err := ParseScripts(file, string(text))
		assert.NoError(t, err)
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			for _, s := range scripts {
				t.Run(s.Title, func(t *testing.T) {
					t.Parallel()
					playEverywhere(t, s)
				})
			}
		})
	}
}

// playEverywhere plays a script in every mode, with every number of loops.
func playEverywhere(t *testing.T, s *Script) {
	for _, m := range modes {
		for _, loops := range loopCounts {
			if s.given.oneLoop && loops > 1 || m == H1TLSBoth && loops == 1 && !s.given.oneLoop {
				continue // what is new about servers with TLS has nothing to do with the number of loops
			}
			t.Run(fmt.Sprintf("%s×%d", m.Name, loops), func(t *testing.T) {
				if why := s.given.skips(m); why != "" {
					t.Skip(why)
				}
				t.Parallel()
				for _, problem := range s.Run(m, loops, t.TempDir()) {
					t.Error(problem)
				}
			})
		}
	}
}
