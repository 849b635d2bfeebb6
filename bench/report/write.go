package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Write puts BENCHMARKS.md and bench/results/SCENARIO.json into a folder. A
// scenario that was not measured keeps the file of an earlier run.
func (r *Report) Write(folder string) error {
	results := filepath.Join(folder, "bench", "results")
	if err := os.MkdirAll(results, 0o755); err != nil {
		return err
	}
	for _, section := range r.Sections {
		one := *r
		one.Sections = []Section{section}
		text, err := json.MarshalIndent(one, "", " ")
		if err != nil {
			return fmt.Errorf("scenario %s: %w", section.Name, err)
		}
		if err := os.WriteFile(filepath.Join(results, section.Name+".json"), append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(folder, "BENCHMARKS.md"), r.Markdown(), 0o644)
}
