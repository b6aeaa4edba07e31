package docker_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker"
	"github.com/evotel/evotel/sandbox/docker/enginetest"
)

const machine = "0123456789abcdef0123456789abcdef"

var loop = strings.Repeat("c0ffee00", 8) // the container that the owner runs in

// hostProc makes the process file system of a host.
func hostProc(t *testing.T) sandbox.Proc {
	t.Helper()
	p := sandbox.Proc(filepath.Join(t.TempDir(), "proc"))
	put := func(path, content string) {
		file := filepath.Join(string(p), path)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	}
	put("sys/kernel/random/boot_id", "b1")
	put("stat", "btime 1780000000\n")
	put("../etc/machine-id", machine)
	put("1/stat", "1 (init) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 2 0 0")
	put("2/stat", "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 26 0 0")
	return p
}

// process adds one that is PID 1 of the namespace, in a container.
func process(t *testing.T, p sandbox.Proc, pid int, start uint64, pidns string) {
	t.Helper()
	dir := filepath.Join(string(p), strconv.Itoa(pid))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "ns"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "stat"),
		fmt.Appendf(nil, "%d (loop) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0", pid, start), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "status"), fmt.Appendf(nil, "NSpid:\t%d\t1\n", pid), 0o600))
	require.NoError(t, os.Symlink(pidns, filepath.Join(dir, "ns", "pid")))
}

func box(owner sandbox.Owner) docker.Container {
	return docker.Container{ID: "box", ImageID: "img", Claim: sandbox.Claim{Sandbox: true, Run: "r", Owner: owner},
		State: sandbox.State{Status: sandbox.StateRunning, Created: time.Unix(1780000100, 0)}}
}

func orphan(r sandbox.Reason) sandbox.Verdict {
	return sandbox.Verdict{Kind: sandbox.Orphan, Reason: r}
}
func unproven(r sandbox.Reason) sandbox.Verdict {
	return sandbox.Verdict{Kind: sandbox.Unverifiable, Reason: r}
}

func TestAContainerIsGoneOnlyIfThisEngineHadIt(t *testing.T) {
	for status, want := range map[string]sandbox.Verdict{
		"running":    unproven(sandbox.ReasonLabelsMissing),
		"paused":     unproven(sandbox.ReasonLabelsMissing),
		"restarting": unproven(sandbox.ReasonLabelsMissing),
		"created":    unproven(sandbox.ReasonLabelsMissing), // it has yet to start
		"removing":   unproven(sandbox.ReasonLabelsMissing), // it will be gone soon enough
		"exited":     orphan(sandbox.ReasonOwnerContainerGone),
		"dead":       orphan(sandbox.ReasonOwnerContainerGone),
	} {
		t.Run(status, func(t *testing.T) {
			e := enginetest.Start(t)
			x := &docker.Examiner{Client: dial(t, e), Proc: hostProc(t)}
			byHand := box(sandbox.Owner{Container: loop})
			// A loop in another engine, which uses this one for its sandboxes.
			assert.Equal(t, unproven(sandbox.ReasonLabelsMissing), x.Examine().Judge(t.Context(), byHand), "never met")
			e.Put(enginetest.Container{ID: loop, Status: status})
			assert.Equal(t, want, x.Examine().Judge(t.Context(), byHand))
			e.Drop(loop)
			assert.Equal(t, orphan(sandbox.ReasonOwnerContainerGone), x.Examine().Judge(t.Context(), byHand), "removed since")
		})
	}
}

func TestAContainerOfThatNameIsNotTheOwner(t *testing.T) {
	e := enginetest.Start(t)
	e.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/containers/") {
			return false
		}
		_, _ = w.Write([]byte(`{"Id": "another", "State": {"Status": "exited"}}`))
		return true
	})
	x := &docker.Examiner{Client: dial(t, e), Proc: hostProc(t)}
	assert.Equal(t, unproven(sandbox.ReasonLabelsMissing), x.Examine().Judge(t.Context(), box(sandbox.Owner{Container: "c0ffee00c0ff"})))
}

func TestAnOwnerInAContainerIsFoundFromTheHost(t *testing.T) {
	const ns = "pid:[4026532009]"
	owner := sandbox.Owner{Machine: "boot-b1", Boot: "b1", PID: 1, Start: 5000, PIDNS: ns, Container: loop}
	e := enginetest.Start(t)
	proc := hostProc(t)
	process(t, proc, 300, 5000, ns)
	x := &docker.Examiner{Client: dial(t, e), Proc: proc}
	live := sandbox.Verdict{Kind: sandbox.Live}
	assert.Equal(t, live, x.Examine().Judge(t.Context(), box(owner)), "in another engine's container")
	e.Put(enginetest.Container{ID: loop, Status: "running"})
	assert.Equal(t, live, x.Examine().Judge(t.Context(), box(owner)))
	e.Put(enginetest.Container{ID: loop, Status: "exited"})
	assert.Equal(t, live, x.Examine().Judge(t.Context(), box(owner)), "the Engine has lost sight of it")

	// The container is restarted: the Engine has it, but the owner is gone.
	e.Put(enginetest.Container{ID: loop, Status: "running"})
	require.NoError(t, os.RemoveAll(filepath.Join(string(proc), "300")))
	process(t, proc, 301, 9000, "pid:[4026532010]")
	assert.Equal(t, orphan(sandbox.ReasonOwnerGone), x.Examine().Judge(t.Context(), box(owner)))
	process(t, proc, 302, 9000, ns)
	assert.Equal(t, orphan(sandbox.ReasonOwnerGone), x.Examine().Judge(t.Context(), box(owner)), "its namespace's number is used again")

	// Where not all processes can be seen, that proves nothing.
	require.NoError(t, os.MkdirAll(filepath.Join(string(proc), "303", "stat"), 0o700))
	assert.Equal(t, unproven(sandbox.ReasonOtherPIDNS), x.Examine().Judge(t.Context(), box(owner)))
}

func TestLabelsOfACommittedSandboxAreNotHeld(t *testing.T) {
	gone := sandbox.Owner{Machine: machine, Boot: "b1", PID: 4711, Start: 9, PIDNS: "pid:[4026531836]"}
	labels := map[string]string{
		sandbox.LabelSandbox: "1", sandbox.LabelRunID: "r", sandbox.LabelOwnerMachine: machine, sandbox.LabelOwnerBoot: "b1",
		sandbox.LabelOwnerPID: "4711", sandbox.LabelOwnerStart: "9", sandbox.LabelOwnerPIDNS: "pid:[4026531836]",
	}
	e := enginetest.Start(t)
	x := &docker.Examiner{Client: dial(t, e), Proc: hostProc(t)}
	assert.Equal(t, orphan(sandbox.ReasonOwnerGone), x.Examine().Judge(t.Context(), box(gone)), "an image that is not there any more")
	for range 3 {
		assert.Equal(t, orphan(sandbox.ReasonOwnerGone), x.Examine().Judge(t.Context(), box(gone)))
	}
	assert.Equal(t, 1, e.Calls("GET /images/*/json"), "an image does not change")

	e.LabelImage("committed", labels)
	c := box(gone)
	c.ImageID = "committed"
	assert.Equal(t, unproven(sandbox.ReasonLabelsInherited), x.Examine().Judge(t.Context(), c))
	c.Claim.Owner.PID = 4712
	assert.Equal(t, orphan(sandbox.ReasonOwnerGone), x.Examine().Judge(t.Context(), c), "labelled anew")

	e.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/images/") {
			return false
		}
		enginetest.Refuse(w, http.StatusForbidden, "a proxy forbids it")
		return true
	})
	c.ImageID = "another"
	assert.Equal(t, unproven(sandbox.ReasonDockerUnreadable), x.Examine().Judge(t.Context(), c))
}

func TestAnEngineThatDoesNotAnswerProvesNothing(t *testing.T) {
	e := enginetest.Start(t)
	e.Put(enginetest.Container{ID: loop, Status: "running"})
	x := &docker.Examiner{Client: dial(t, e), Proc: hostProc(t)}
	byHand := box(sandbox.Owner{Container: loop})
	assert.Equal(t, unproven(sandbox.ReasonLabelsMissing), x.Examine().Judge(t.Context(), byHand))
	e.Fail(func(w http.ResponseWriter, _ *http.Request) bool {
		enginetest.Refuse(w, http.StatusInternalServerError, "lost")
		return true
	})
	assert.Equal(t, unproven(sandbox.ReasonDockerUnreadable), x.Examine().Judge(t.Context(), byHand))
}

func TestEachOwnerIsLookedAtOnceInAnExamination(t *testing.T) {
	e := enginetest.Start(t)
	e.Put(enginetest.Container{ID: loop, Status: "running"})
	asked := 0
	x := (&docker.Examiner{
		Client: dial(t, e), Proc: hostProc(t),
		Run: func(string) sandbox.RunStatus { asked++; return sandbox.RunEnded },
		Now: func() time.Time { return time.Unix(1780000200, 0) },
	}).Examine()
	for range 5 {
		assert.Equal(t, orphan(sandbox.ReasonRunEnded), x.Judge(t.Context(), box(sandbox.Owner{Container: loop})))
	}
	assert.Equal(t, 1, e.Calls("GET /containers/*/json"))
	assert.Equal(t, 5, asked)
	late := box(sandbox.Owner{})
	late.Claim.Deadline = time.Unix(1780000100, 0)
	assert.Equal(t, orphan(sandbox.ReasonDeadline), x.Judge(t.Context(), late))
}

func TestWhenTheHostBootedIsReadAnew(t *testing.T) {
	e := enginetest.Start(t)
	proc := hostProc(t)
	x := &docker.Examiner{Client: dial(t, e), Proc: proc}
	earlier := box(sandbox.Owner{Machine: machine, Boot: "b0", PID: 1, Start: 1, PIDNS: "pid:[4026531836]"})
	for range 2 {
		assert.Equal(t, unproven(sandbox.ReasonOtherMachine), x.Examine().Judge(t.Context(), earlier), "created since")
	}
	// The clock is set, and the host booted later than it seemed.
	require.NoError(t, os.WriteFile(filepath.Join(string(proc), "stat"), []byte("btime 1780000200\n"), 0o600))
	assert.Equal(t, orphan(sandbox.ReasonHostRebooted), x.Examine().Judge(t.Context(), earlier))
}
