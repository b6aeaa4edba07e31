package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed peer.py
var peerProgram string

//go:embed requirements.txt
var requirements string

// peerResult is a line of peer.py.
type peerResult struct {
	Name    string
	Text    string
	Seconds float64
	Value   float64
	Bytes   float64
}

// runPeer installs numpy and scipy beside the built programs and runs peer.py on
// one core.
func runPeer() (map[string]peerResult, error) {
	venv := filepath.Join(work, "venv")
	python := filepath.Join(venv, "bin", "python")
	list := filepath.Join(work, "requirements.txt")
	if err := os.WriteFile(list, []byte(requirements), 0o600); err != nil {
		return nil, err
	}
	for _, command := range [][]string{
		{"python3", "-m", "venv", venv},
		{python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", list},
	} {
		if output, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("installing the peer (Python 3 with venv is needed): %w\n%s", err, output)
		}
	}
	command := exec.Command(python, "-c", peerProgram)
	command.Env = append(os.Environ(), "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "MKL_NUM_THREADS=1")
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("running the peer: %w", err)
	}
	results := map[string]peerResult{}
	for line := range bytes.Lines(output) {
		var r peerResult
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("reading the peer's line %q: %w", line, err)
		}
		results[r.Name] = r
	}
	return results, nil
}
