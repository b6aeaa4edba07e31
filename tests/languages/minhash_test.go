package languages_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/tests/collector"
)

// vector is a set of tokens with the signature that Go makes of it; that it does
// is tested in instrumentation.
type vector struct {
	Tokens    []string
	Signature []int64
}

// Python gets the numbers that Go gets, by the program beside the test vectors as
// well as by the one in the README.
func TestMinHashInPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("python3 is not installed")
	}
	require.NoError(t, err)
	folder := filepath.Join(collector.Root(), "instrumentation")
	data, err := os.ReadFile(filepath.Join(folder, "testdata", "minhash.json"))
	require.NoError(t, err)
	var want []vector
	require.NoError(t, json.Unmarshal(data, &want))
	require.NotEmpty(t, want)

	readme, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	snippet := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(readme)
	require.NotNil(t, snippet)
	inREADME := string(snippet[1]) + `
import json, sys
print(json.dumps([{"tokens": v["tokens"], "signature": minhash(v["tokens"])} for v in json.load(sys.stdin)]))`

	for name, arguments := range map[string][]string{
		"minhash.py": {filepath.Join(folder, "testdata", "minhash.py")},
		"README":     {"-c", inREADME},
	} {
		t.Run(name, func(t *testing.T) {
			command := exec.Command(python, arguments...)
			command.Stdin, command.Stderr = bytes.NewReader(data), os.Stderr
			output, err := command.Output()
			require.NoError(t, err)
			var got []vector
			require.NoError(t, json.Unmarshal(output, &got))
			assert.Equal(t, want, got)
		})
	}
}
