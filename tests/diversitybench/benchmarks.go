package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// result is what a benchmark reports, by unit; the least of its repetitions.
type result map[string]float64

// benchmarks builds a package's tests once and runs some of its benchmarks on one
// core.
type benchmarks struct{ folder, binary string }

func build(folder string) (benchmarks, error) {
	b := benchmarks{folder: folder, binary: filepath.Join(work, filepath.Base(folder)+".test")}
	binary, err := filepath.Abs(b.binary)
	if err != nil {
		return b, err
	}
	b.binary = binary
	if output, err := exec.Command("go", "test", "-c", "-o", binary, "./"+folder).CombinedOutput(); err != nil {
		return b, fmt.Errorf("building the benchmarks of %s: %w\n%s", folder, err, output)
	}
	return b, nil
}

func (b benchmarks) run(pattern, time string, into map[string]result) error {
	command := exec.Command(b.binary, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", time, "-test.count", "3", "-test.cpu", "1")
	command.Dir, command.Stderr = b.folder, os.Stderr
	output, err := command.Output()
	if err != nil {
		return fmt.Errorf("running benchmarks %s of %s: %w\n%s", pattern, b.folder, err, output)
	}
	return parse(output, into)
}

// parse reads lines such as "BenchmarkHamming/n=100 5000 2500 ns/op 1 allocs/op", and
// "bench_test.go:7: mean of BenchmarkHamming/n=100: 0.75", which has all digits.
func parse(output []byte, into map[string]result) error {
	for line := range bytes.Lines(output) {
		if _, text, ok := strings.Cut(string(line), ": mean of "); ok {
			name, mean, _ := strings.Cut(text, ": ")
			value, err := strconv.ParseFloat(strings.TrimSpace(mean), 64)
			if err != nil {
				return fmt.Errorf("reading a benchmark's line %q: %w", line, err)
			}
			if into[name] == nil {
				into[name] = result{}
			}
			into[name]["mean"] = value
			continue
		}
		fields := strings.Fields(string(line))
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		r, ok := into[fields[0]]
		if !ok {
			r = result{}
			into[fields[0]] = r
		}
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return fmt.Errorf("reading a benchmark's line %q: %w", line, err)
			}
			if known, ok := r[fields[i+1]]; !ok || value < known {
				r[fields[i+1]] = value
			}
		}
	}
	return nil
}
