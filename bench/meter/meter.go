package meter

import "time"

// Sample is one look at a group of processes.
type Sample struct {
	At     time.Time
	CPU    CPU
	Memory int64 // proportional resident bytes; 0 if not asked for
	Files  int64 // of them, those that are pages of files
	Wakes  int64 // voluntary context switches; 0 if not asked for
}

// Quick samples the processor time only: two cheap reads per process, for the
// edges of a busy window.
func Quick(pids []int) (Sample, error) {
	cpu, err := ReadCPU(pids)
	return Sample{At: time.Now(), CPU: cpu}, err
}

// Full samples memory and wake-ups too. Walking a process's memory map takes the
// kernel a while, so it does not belong at the edge of a busy window.
func Full(pids []int) (Sample, error) {
	memory, files, err := ReadMemory(pids)
	if err != nil {
		return Sample{}, err
	}
	wakes, err := ReadWakes(pids)
	if err != nil {
		return Sample{}, err
	}
	s, err := Quick(pids)
	s.Memory, s.Files, s.Wakes = memory, files, wakes
	return s, err
}
