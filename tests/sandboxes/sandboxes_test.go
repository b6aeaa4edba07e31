// Package sandboxes shows on a real Docker Engine, with the real command and
// real shells, that evotel finds and removes the sandboxes of whoever has ended,
// and nothing else.
package sandboxes

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
	"github.com/evotel/evotel/tests/collector"
	"github.com/evotel/evotel/tests/internal/dockertest"
)

// installation is a built evotel and an Engine.
type installation struct {
	*dockertest.Engine
	bin string // folder of evotel
	env []string
}

func install(t *testing.T) installation {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "evotel"), "./cmd/evotel")
	build.Dir = collector.Root()
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	engine := dockertest.Start(t)
	return installation{engine, dir, append(os.Environ(),
		"PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"), "DOCKER_HOST="+engine.Endpoint)}
}

func (i installation) command(name string, args ...string) *exec.Cmd {
	if name == "evotel" {
		name = filepath.Join(i.bin, name)
	}
	cmd := exec.Command(name, args...)
	cmd.Env = i.env
	// What a killed script leaves running keeps its output open.
	cmd.WaitDelay = time.Second
	return cmd
}

// evotel returns what the command prints, which must succeed.
func (i installation) evotel(t *testing.T, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := i.command("evotel", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "evotel %v: %s", args, stderr.String())
	return string(out)
}

// found is a sandbox in the output of evotel sandboxes --json.
type found struct {
	ID, Run, State, Verdict, Reason, Reap string
	Owner                                 struct{ PID int }
}

func (i installation) sandboxes(t *testing.T, args ...string) map[string]found {
	t.Helper()
	var all []found
	require.NoError(t, json.Unmarshal([]byte(i.evotel(t, append([]string{"sandboxes", "--json"}, args...)...)), &all))
	byID := map[string]found{}
	for _, f := range all {
		byID[f.ID] = f
	}
	return byID
}

func (i installation) containers(t *testing.T) []string {
	t.Helper()
	list, err := i.API.ContainerList(t.Context(), container.ListOptions{All: true})
	require.NoError(t, err)
	ids := []string{}
	for _, c := range list {
		ids = append(ids, c.ID)
	}
	return ids
}

// need skips the test where a command is not installed.
func need(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("this test needs the command %s", name)
		}
		t.Skipf("SKIPPED: %s is not installed", name)
	}
}

func start(t *testing.T, cmd *exec.Cmd) (kill func()) {
	t.Helper()
	require.NoError(t, cmd.Start())
	ended := false
	kill = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(kill)
	return kill
}

func TestSandboxesListsAndReapsOrphansOnly(t *testing.T) {
	i := install(t)
	image := i.Image(t)
	owner := exec.Command("sleep", "600")
	kill := start(t, owner)
	ofOwner := sandbox.Labels("r1", sandbox.WithOwner(owner.Process.Pid))
	orphans := []string{i.Run(t, image, ofOwner), i.Run(t, image, ofOwner)}
	live := i.Run(t, image, sandbox.Labels("r1"))
	late := i.Run(t, image, sandbox.Labels("r2", sandbox.WithDeadline(time.Now().Add(-time.Hour))))
	unverifiable := i.Run(t, image, map[string]string{sandbox.LabelSandbox: sandbox.SelectorValue, sandbox.LabelRunID: "r1"})
	foreign := i.Run(t, image, nil)

	for _, id := range append([]string{live}, orphans...) {
		assert.Equal(t, "live", i.sandboxes(t)[id].Verdict)
	}
	kill()
	all := i.sandboxes(t)
	assert.Len(t, all, 5)
	assert.NotContains(t, all, foreign)
	for _, id := range orphans {
		assert.Equal(t, "owner_gone", all[id].Reason)
		assert.Equal(t, owner.Process.Pid, all[id].Owner.PID)
	}
	assert.Equal(t, "live", all[live].Verdict)
	assert.Equal(t, "deadline", all[late].Reason)
	assert.Equal(t, "unverifiable", all[unverifiable].Verdict)
	assert.Len(t, i.sandboxes(t, "--run", "r2"), 1)
	assert.Contains(t, i.evotel(t, "sandboxes"), "its owner process has ended")

	// Without a terminal nothing goes.
	out, err := i.command("evotel", "sandboxes", "--reap").CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "no terminal")
	assert.Len(t, i.containers(t), 6)

	reaped := i.sandboxes(t, "--run", "r1", "--reap", "--yes")
	for _, id := range orphans {
		assert.Equal(t, "removed", reaped[id].Reap)
	}
	assert.ElementsMatch(t, []string{live, late, unverifiable, foreign}, i.containers(t))
	assert.Contains(t, i.evotel(t, "sandboxes", "--reap", "--yes"), "Removed 1 orphan")
	assert.ElementsMatch(t, []string{live, unverifiable, foreign}, i.containers(t))
	assert.Contains(t, i.evotel(t, "sandboxes", "--reap", "--yes"), "There is nothing to remove.")
	volumes, err := i.API.VolumeList(t.Context(), volume.ListOptions{})
	require.NoError(t, err)
	assert.Len(t, volumes.Volumes, 3, "anonymous volumes of the orphans")
}

func TestReapAsksOnATerminal(t *testing.T) {
	need(t, "script") // gives a command a terminal
	i := install(t)
	image := i.Image(t)
	i.Run(t, image, sandbox.Labels("r", sandbox.WithDeadline(time.Now().Add(-time.Hour))))
	ask := func(answer string) string {
		cmd := i.command("script", "-qec", "evotel sandboxes --reap", filepath.Join(t.TempDir(), "typescript"))
		cmd.Stdin = strings.NewReader(answer)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	out := ask("n\n")
	assert.Contains(t, out, "Remove 1 orphan and their anonymous volumes? [y/N]")
	assert.Contains(t, out, "Nothing was removed.")
	assert.Len(t, i.containers(t), 1)
	assert.Contains(t, ask("y\n"), "Removed 1 orphan")
	assert.Empty(t, i.containers(t))
}

// A script says who it is and starts containers in several ways; the labels of
// each must name the script, which lives, and none of its subshells.
const script = `set -eu
run() { docker run --detach --network none "$@" >>ids; }
run $(evotel labels --run R) IMAGE /sleeper
labels=$(evotel labels --run R) && run $labels IMAGE /sleeper
id=$(docker run --detach --network none $(evotel labels --run R) IMAGE /sleeper) && echo "$id" >>ids
(run $(evotel labels --run R) IMAGE /sleeper)
true | run $(evotel labels --run R) IMAGE /sleeper
sh -c 'docker run --detach --network none $(evotel labels --run R) IMAGE /sleeper' >>ids
run $(evotel labels --run R --pid $$) IMAGE /sleeper
evotel labels --run 'R with spaces' --format file >labels
run --label-file labels IMAGE /sleeper
touch started
sleep 60 &
wait
`

const bashScript = `run --label-file <(evotel labels --run R --format file) IMAGE /sleeper
(IFS=$'\n\t'; run $(evotel labels --run R) IMAGE /sleeper)
`

func TestLabelsInRealShells(t *testing.T) {
	need(t, "docker")
	i := install(t)
	image := i.Image(t)
	for _, shell := range []struct {
		name, script string
		containers   int
	}{
		{"sh", script, 8},
		{"bash", strings.Replace(script, "touch", bashScript+"touch", 1), 10},
	} {
		t.Run(shell.name, func(t *testing.T) {
			need(t, shell.name)
			dir := t.TempDir()
			file := filepath.Join(dir, "loop.sh")
			require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(shell.script, "IMAGE", image)), 0o600))
			loop := i.command(shell.name, file)
			var stderr bytes.Buffer
			loop.Dir, loop.Stderr = dir, &stderr
			kill := start(t, loop)
			require.Eventually(t, func() bool {
				_, err := os.Stat(filepath.Join(dir, "started"))
				return err == nil
			}, 60*time.Second, 50*time.Millisecond, "%s", &stderr)
			text, err := os.ReadFile(filepath.Join(dir, "ids"))
			require.NoError(t, err)
			ids := strings.Fields(string(text))
			require.Len(t, ids, shell.containers)

			all := i.sandboxes(t)
			for n, id := range ids {
				assert.Equal(t, "live", all[id].Verdict, "container %d", n)
				assert.Equal(t, loop.Process.Pid, all[id].Owner.PID, "container %d", n)
			}
			assert.Len(t, i.sandboxes(t, "--run", "R with spaces"), 1)
			// The sleep in the background goes on, without its script.
			kill()
			all = i.sandboxes(t, "--reap", "--yes")
			for n, id := range ids {
				assert.Equal(t, "owner_gone", all[id].Reason, "container %d", n)
				assert.Equal(t, "removed", all[id].Reap, "container %d", n)
			}
			assert.Empty(t, i.containers(t))
		})
	}
}

func TestPythonLoop(t *testing.T) {
	need(t, "docker")
	need(t, "python3")
	i := install(t)
	image := i.Image(t)
	var out strings.Builder
	// loop starts the example, and returns when it has as many running sandboxes.
	loop := func(run string, sandboxes int) (map[string]found, *exec.Cmd) {
		cmd := i.command("python3", filepath.Join(collector.Root(), "examples", "python", "sandboxes.py"),
			"--run-id", run, "--candidates", strconv.Itoa(sandboxes), "--image", image, "--", "/sleeper")
		cmd.Stdout = &out
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		var all map[string]found
		require.Eventually(t, func() bool {
			all = i.sandboxes(t, "--run", run)
			running := 0
			for _, f := range all {
				if f.State == sandbox.StateRunning {
					running++
				}
			}
			return running == sandboxes
		}, 60*time.Second, 100*time.Millisecond)
		return all, cmd
	}

	t.Run("that ends leaves nothing", func(t *testing.T) {
		all, cmd := loop("ends", 1)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		require.Eventually(t, func() bool {
			for id := range all {
				_ = i.API.ContainerKill(t.Context(), id, "TERM") // it may not listen yet, or not any more
			}
			return len(ended) == 1
		}, 30*time.Second, 100*time.Millisecond)
		require.NoError(t, <-ended)
		assert.Contains(t, out.String(), "exit code 0")
		assert.Empty(t, i.containers(t))
	})
	t.Run("that is killed leaves orphans to be found", func(t *testing.T) {
		all, cmd := loop("killed", 3)
		for _, f := range all {
			assert.Equal(t, "live", f.Verdict)
			assert.Contains(t, commandLine(t, f.Owner.PID), "sandboxes.py")
		}
		assert.Contains(t, i.evotel(t, "sandboxes", "--reap", "--yes"), "There is nothing to remove.")
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		for _, f := range i.sandboxes(t, "--run", "killed", "--reap", "--yes") {
			assert.Equal(t, "owner_gone", f.Reason)
			assert.Equal(t, "removed", f.Reap)
		}
		assert.Empty(t, i.containers(t))
	})
}

func commandLine(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	require.NoError(t, err)
	return string(text)
}
