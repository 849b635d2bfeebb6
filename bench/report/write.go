package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"sluice/bench/scenarios"
)

// ResultFile is the name of the raw numbers in bench/results.
const ResultFile = "run.json"

// Write puts BENCHMARKS.md, bench/results/run.json and the pictures into a folder.
func (r *Report) Write(folder string) error {
	results := filepath.Join(folder, "bench", "results")
	if err := os.MkdirAll(results, 0o755); err != nil {
		return err
	}
	text, err := r.JSON()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(results, ResultFile), text, 0o644); err != nil {
		return err
	}
	for _, one := range r.pictures() {
		drawing, err := one.svg()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(results, one.name+".svg"), drawing, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(folder, "BENCHMARKS.md"), r.Markdown(), 0o644)
}

// JSON is the whole report, a line a scenario.
func (r *Report) JSON() ([]byte, error) {
	head := *r
	head.Sections = []Section{}
	text, err := json.MarshalIndent(head, "", " ")
	if err != nil {
		return nil, err
	}
	var lines [][]byte
	for i := range r.Sections {
		line, err := json.Marshal(&r.Sections[i])
		if err != nil {
			return nil, fmt.Errorf("scenario %s: %w", r.Sections[i].Name, err)
		}
		lines = append(lines, line)
	}
	out := bytes.TrimSuffix(text, []byte("]\n}"))
	return fmt.Appendf(out, "\n%s\n]}\n", bytes.Join(lines, []byte(",\n"))), nil
}

// Read reads the file of an earlier run. A scenario that is not known any more keeps
// its numbers but has no metrics.
func Read(path string) (*Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(r.Sections) == 0 {
		return nil, fmt.Errorf("%s has no results of a run", path)
	}
	for i := range r.Sections {
		r.Sections[i].Scenario, _ = scenarios.ByName(r.Sections[i].Name)
	}
	return r, nil
}
