package conv

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/assert"
)

// modes are what every script is played in.
var modes = []Mode{H1}

// loopCounts are how many loops the engine has.
var loopCounts = []int{1, 2}

func TestConversations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	assert.NoError(t, err)
	assert.Equal(t, len(files) > 0, true)
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
			if s.given.oneLoop && loops > 1 {
				continue
			}
			t.Run(fmt.Sprintf("%s×%d", m.Name, loops), func(t *testing.T) {
				t.Parallel()
				for _, problem := range s.Run(m, loops, t.TempDir()) {
					t.Error(problem)
				}
			})
		}
	}
}
