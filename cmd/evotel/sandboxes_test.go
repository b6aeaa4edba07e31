package main

import (
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/sandbox/docker"
	"github.com/evotel/evotel/semconv"
)

var someTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func someSandboxes() []*judged {
	one := func(id, run string, pid int, age time.Duration, kind sandbox.Kind, reason sandbox.Reason) *judged {
		return &judged{
			Container: docker.Container{
				ID: strings.Repeat(id, 64), Name: "box-" + id, Image: "image",
				Claim: sandbox.Claim{Sandbox: true, Run: run, Owner: sandbox.Owner{PID: pid}},
				State: sandbox.State{Status: sandbox.StateRunning, Created: someTime.Add(-age)},
			},
			verdict: sandbox.Verdict{Kind: kind, Reason: reason},
		}
	}
	return []*judged{
		one("a", "r1", 7, 3*time.Hour, sandbox.Live, ""),
		one("b", "r1", 8, 90*time.Second, sandbox.Orphan, sandbox.ReasonOwnerGone),
		one("c", "\x1b[31mr2\u202e", 0, 72*time.Hour, sandbox.Unverifiable, sandbox.ReasonLabelsMissing),
	}
}

func TestTableSaysWhoseAndWhy(t *testing.T) {
	var out strings.Builder
	require.NoError(t, writeTable(&out, someSandboxes(), someTime, "", "unix:///x", false))
	lines := strings.Split(out.String(), "\n")
	assert.Equal(t, []string{"CONTAINER", "NAME", "RUN", "OWNER", "AGE", "STATE", "VERDICT", "WHY"}, strings.Fields(lines[0]))
	assert.Equal(t, "aaaaaaaaaaaa box-a r1 pid 7 3h running live its owner is running", strings.Join(strings.Fields(lines[1]), " "))
	assert.Equal(t, "bbbbbbbbbbbb box-b r1 pid 8 1m running orphan its owner process has ended", strings.Join(strings.Fields(lines[2]), " "))
	assert.Contains(t, lines[3], "unknown")
	assert.Contains(t, lines[3], "3d")
	assert.NotContains(t, out.String(), "\x1b")
	assert.NotContains(t, out.String(), "\u202e")
	assert.Contains(t, out.String(), "3 sandboxes: 1 live, 1 orphan, 1 unverifiable (kept).")
	assert.Contains(t, out.String(), "evotel sandboxes --reap")
}

func TestEmptyTableSaysWhereItLooked(t *testing.T) {
	var out strings.Builder
	require.NoError(t, writeTable(&out, nil, someTime, "r9", "unix:///x", false))
	assert.Equal(t, "No sandboxes of run \"r9\": no such container on unix:///x carries the label dev.evotel.sandbox=1.\n", out.String())
}

func TestJSONHoldsEverything(t *testing.T) {
	var out strings.Builder
	found := someSandboxes()
	found[1].reap = semconv.ReapRemoved
	found[2].Claim.Malformed = []string{sandbox.LabelOwnerPID}
	require.NoError(t, writeJSON(&out, found, someTime))
	var got []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out.String()), &got))
	require.Len(t, got, 3)
	assert.Equal(t, map[string]any{
		"id": strings.Repeat("b", 64), "name": "box-b", "image": "image", "run": "r1", "owner": map[string]any{"pid": 8.0},
		"state": "running", "created": "2026-01-02T03:02:35Z", "age_seconds": 90.0,
		"verdict": "orphan", "reason": "owner_gone", "explanation": "its owner process has ended", "reap": "removed",
	}, got[1])
	assert.Equal(t, []any{sandbox.LabelOwnerPID}, got[2]["malformed_labels"])

	out.Reset()
	require.NoError(t, writeJSON(&out, nil, someTime))
	assert.Equal(t, "[]\n", out.String())
}

func TestOnlyYesIsYes(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, "\n": false, "n\n": false, "yess\n": false, "y": false, "": false} {
		var out strings.Builder
		assert.Equal(t, want, confirm(&out, strings.NewReader(answer), 2), "%q", answer)
		assert.Contains(t, out.String(), "Remove 2 orphans and their anonymous volumes?")
	}
}

func TestReapsAreSummedUp(t *testing.T) {
	var out strings.Builder
	all := someSandboxes()
	all[0].reap, all[1].reap, all[2].reap, all[2].reapErr = reapKept, semconv.ReapRemoved, semconv.ReapFailed, assert.AnError
	require.NoError(t, writeReaps(&out, all))
	assert.Equal(t, "aaaaaaaaaaaa is kept: on a second look, its owner is running.\n"+
		"cccccccccccc is still there: "+assert.AnError.Error()+"\nRemoved 1 orphan, 0 were gone already, 1 kept, 1 failed.\n", out.String())
	out.Reset()
	require.NoError(t, writeReaps(&out, someSandboxes()[:1]))
	assert.Equal(t, "Nothing was removed.\n", out.String())
}

func TestReapNeedsATerminalOrYes(t *testing.T) {
	_, err := evotel(t, "sandboxes", "--reap", "--endpoint", "unix:///nonexistent.sock")
	require.ErrorContains(t, err, "no terminal to ask on")
	_, err = evotel(t, "sandboxes", "--yes", "--max-age", "-1s", "--exited-after", "-1s", "--timeout", "0s")
	for _, want := range []string{"--yes only goes with --reap", "--max-age must not", "--exited-after must not", "--timeout must be positive"} {
		require.ErrorContains(t, err, want)
	}
}

func TestEngineThatDoesNotAnswer(t *testing.T) {
	_, err := evotel(t, "sandboxes", "--endpoint", "unix:///nonexistent.sock")
	require.ErrorContains(t, err, "the Docker Engine at unix:///nonexistent.sock does not answer, so it is not known whether there are sandboxes")
	require.ErrorContains(t, err, "start Docker, or say where it listens")

	// One that takes connections and says nothing.
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	_, err = evotel(t, "sandboxes", "--endpoint", "unix://"+socket, "--timeout", "50ms")
	require.ErrorContains(t, err, "longer than 50ms")
}
