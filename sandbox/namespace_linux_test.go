package sandbox_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
)

// labellerVariable makes the test's own binary print its labels, and those of
// an owner with that PID, and wait.
const labellerVariable = "EVOTEL_TEST_LABELLER"

func TestMain(m *testing.M) {
	if owner, err := strconv.Atoi(os.Getenv(labellerVariable)); err == nil {
		out := json.NewEncoder(os.Stdout)
		_ = out.Encode(sandbox.Labels("r"))
		_ = out.Encode(sandbox.Labels("r", sandbox.WithOwner(owner)))
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestLabelsInAnUnsharedPIDNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("this test needs root, to make a PID namespace")
		}
		t.Skip("SKIPPED: only root may make a PID namespace")
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), labellerVariable+"=1")
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	in, err := child.StdinPipe()
	require.NoError(t, err)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	defer func() { _ = in.Close(); _ = child.Wait() }()
	var own, given map[string]string
	said := json.NewDecoder(out)
	require.NoError(t, said.Decode(&own))
	require.NoError(t, said.Decode(&given))

	// Its /proc is still ours, where PID 1 is another process.
	proc := sandbox.DefaultProc
	claim := sandbox.ParseClaim(own)
	assert.Equal(t, child.Process.Pid, claim.Owner.PID)
	seen := sandbox.Observations{Now: noon, Host: proc.Host(), Process: proc.Process(claim.Owner.PID)}
	assert.Equal(t, live(), sandbox.Judge(claim, sandbox.State{Status: sandbox.StateRunning}, seen, sandbox.Policy{}))
	assert.Equal(t, map[string]string{sandbox.LabelSandbox: "1", sandbox.LabelRunID: "r"}, given)
}
