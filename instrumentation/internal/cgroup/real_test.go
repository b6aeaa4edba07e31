package cgroup_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/instrumentation/internal/cgroup"
)

const (
	// insideVariable makes the test's program the one that is limited.
	insideVariable = "EVOTEL_TEST_INSIDE_CGROUP"

	limit = 512 << 20
	used  = 64 << 20
)

func TestMain(m *testing.M) {
	if os.Getenv(insideVariable) == "" {
		os.Exit(m.Run())
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // from here on it is inside
	memory := make([]byte, used)
	for i := range memory {
		memory[i] = 1
	}
	read, err := cgroup.ReadMemory(os.DirFS("/"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(read)
	os.Exit(int(memory[0]) - 1)
}

// limitedGroup makes a cgroup with a limit of memory, of v1 or v2, whichever is here.
func limitedGroup(t *testing.T) (dir string) {
	name := "evotel-test-" + strconv.Itoa(os.Getpid())
	var problems []error
	for _, here := range [][2]string{{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"}} {
		dir := filepath.Join(here[0], name)
		err := os.Mkdir(dir, 0o755)
		if err == nil {
			t.Cleanup(func() { _ = os.Remove(dir) })
			err = set(filepath.Join(dir, here[1]), limit)
		}
		if err == nil {
			return dir
		}
		problems = append(problems, err)
	}
	require.Empty(t, os.Getenv("CI"), "no cgroup can be made: %v", problems)
	t.Skipf("no cgroup can be made here, which takes root: %v", problems)
	return ""
}

// set writes to a file of a cgroup. It makes none, where there is no cgroup.
func set(file string, value int) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.Itoa(value))
	return errors.Join(err, f.Close())
}

func TestAProcessKnowsItsRealLimit(t *testing.T) {
	dir := limitedGroup(t)
	inside := exec.Command(os.Args[0])
	inside.Env = append(os.Environ(), insideVariable+"=1")
	inside.Stderr = os.Stderr
	begin, err := inside.StdinPipe()
	require.NoError(t, err)
	answer, err := inside.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, inside.Start())
	require.NoError(t, set(filepath.Join(dir, "cgroup.procs"), inside.Process.Pid))
	_, err = begin.Write([]byte("\n"))
	require.NoError(t, err)
	var got cgroup.Memory
	require.NoError(t, json.NewDecoder(answer).Decode(&got))
	require.NoError(t, inside.Wait())
	assert.EqualValues(t, limit, got.Limit)
	assert.Greater(t, got.Usage, int64(used))
	assert.Less(t, got.Usage, int64(limit))
}
