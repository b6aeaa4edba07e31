package cgroup_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox/docker/cgroup"
)

var (
	id   = strings.Repeat("1b", 32)
	want = cgroup.Usage{
		CPU: 1500 * time.Millisecond, Memory: 700, NetworkReceived: 1100, NetworkSent: 2200, DiskRead: 30, DiskWritten: 40,
	}
)

// machine is a fake root of cgroup and process files.
type machine struct {
	t            *testing.T
	root, proc   string
	unifiedLevel bool
}

func newMachine(t *testing.T, v2 bool) machine {
	m := machine{t, filepath.Join(t.TempDir(), "cgroup"), filepath.Join(t.TempDir(), "proc"), v2}
	if v2 {
		m.write(filepath.Join(m.root, "cgroup.controllers"), "cpu io memory pids\n")
	} else {
		require.NoError(t, os.MkdirAll(filepath.Join(m.root, "memory"), 0o700))
	}
	return m
}

func (m machine) write(file, content string) {
	m.t.Helper()
	require.NoError(m.t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(m.t, os.WriteFile(file, []byte(content), 0o600))
}

// container puts one at path, with the process 300 in it.
func (m machine) container(path string) {
	m.t.Helper()
	if m.unifiedLevel {
		at := filepath.Join(m.root, path)
		m.write(filepath.Join(at, "cgroup.procs"), "300\n301\n")
		m.write(filepath.Join(at, "cpu.stat"), "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n")
		m.write(filepath.Join(at, "memory.current"), "1000\n")
		m.write(filepath.Join(at, "memory.stat"), "anon 600\nfile 400\ninactive_anon 5\ninactive_file 300\n")
		m.write(filepath.Join(at, "io.stat"), "8:0 rbytes=10 wbytes=40 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=20 wbytes=0\n254:0\n")
		m.process(300, "0::/"+path+"\n")
		return
	}
	at := func(controller string) string { return filepath.Join(m.root, controller, path) }
	m.write(filepath.Join(at("memory"), "cgroup.procs"), "300\n301\n")
	m.write(filepath.Join(at("cpuacct"), "cpuacct.usage"), "1500000000\n")
	m.write(filepath.Join(at("memory"), "memory.usage_in_bytes"), "1000\n")
	m.write(filepath.Join(at("memory"), "memory.stat"), "cache 400\ninactive_file 1\ntotal_inactive_file 300\n")
	m.write(filepath.Join(at("blkio"), "blkio.throttle.io_service_bytes"), "8:0 Read 10\n8:0 Write 40\n8:0 Total 50\n8:16 Read 20\nTotal 70\n")
	m.process(300, "9:memory:/"+path+"\n1:name=systemd:/"+path+"\n")
}

func (m machine) process(pid int, of string) {
	m.t.Helper()
	dir := filepath.Join(m.proc, strconv.Itoa(pid))
	m.write(filepath.Join(dir, "cgroup"), of)
	m.write(filepath.Join(dir, "net", "dev"), `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    9999       1    0    0    0     0          0         0     9999       1    0    0    0     0       0          0
  eth0:    1000       1    0    0    0     0          0         0     2000       1    0    0    0     0       0          0
  eth1:100 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0
`)
}

func TestContainersAreFoundWhereTheDriverPutsThem(t *testing.T) {
	tests := []struct {
		name, path string
		v2, learn  bool
	}{
		{"v1, cgroupfs driver", "docker/" + id, false, false},
		{"v1, systemd driver", "system.slice/docker-" + id + ".scope", false, false},
		{"v1, --cgroup-parent", "loops/mine/" + id, false, true},
		{"v2, systemd driver", "system.slice/docker-" + id + ".scope", true, false},
		{"v2, cgroupfs driver", "docker/" + id, true, false},
		{"v2, --cgroup-parent", "loops.slice/loops-mine.slice/docker-" + id + ".scope", true, true},
		{"v2, rootless", "user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + id + ".scope", true, true},
		{"v2, Docker in Docker", "system.slice/docker-" + strings.Repeat("2c", 32) + ".scope/docker/" + id, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t, test.v2)
			m.container(test.path)
			r := cgroup.NewReader(m.root, m.proc)
			require.True(t, r.Available())
			if test.learn {
				_, err := r.Read(id, true)
				require.ErrorIs(t, err, cgroup.ErrNotVisible)
				require.NoError(t, r.Learn(id, 300))
			}
			got, err := r.Read(id, true)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}

func TestNeighboursOfALearntContainerAreFound(t *testing.T) {
	m := newMachine(t, true)
	m.container("loops/" + id)
	second := strings.Repeat("2c", 32)
	m.container("loops/" + second)
	m.process(301, "0::/loops/"+id+"\n")
	r := cgroup.NewReader(m.root, m.proc)
	require.NoError(t, r.Learn(id, 301))
	_, err := r.Read(second, true)
	require.NoError(t, err)
}

func TestAReaderInAContainerSeesLessOfThePath(t *testing.T) {
	for _, visible := range []string{id, "docker/" + id, "a/docker/" + id} {
		m := newMachine(t, true)
		m.container(visible)
		m.process(300, "0::/outer/a/docker/"+id+"\n")
		r := cgroup.NewReader(m.root, m.proc)
		require.NoError(t, r.Learn(id, 300), visible)
		got, err := r.Read(id, true)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

func TestProcessesFurtherDown(t *testing.T) {
	// systemd in the container has moved them all into folders of its own.
	m := newMachine(t, true)
	m.container("docker/" + id)
	m.write(filepath.Join(m.root, "docker", id, "cgroup.procs"), "")
	m.process(300, "0::/docker/"+id+"/init.scope\n")
	r := cgroup.NewReader(m.root, m.proc)
	_, err := r.Read(id, true)
	require.ErrorIs(t, err, cgroup.ErrNotVisible)
	require.NoError(t, r.Learn(id, 300))
	got, err := r.Read(id, true)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestProcessesOutsideOurPIDNamespace(t *testing.T) {
	// The kernel then calls them all 0, and the Engine's PID is what helps.
	m := newMachine(t, false)
	m.container("docker/" + id)
	m.write(filepath.Join(m.root, "memory", "docker", id, "cgroup.procs"), "0\n0\n")
	r := cgroup.NewReader(m.root, m.proc)
	_, err := r.Read(id, true)
	require.ErrorIs(t, err, cgroup.ErrNotVisible)
	require.NoError(t, r.Learn(id, 300))
	got, err := r.Read(id, true)
	require.NoError(t, err)
	assert.Equal(t, want, got)

	t.Run("a number that somebody else has by now", func(t *testing.T) {
		m.process(300, "9:memory:/docker/"+strings.Repeat("2c", 32)+"\n")
		_, err := r.Read(id, true)
		require.ErrorIs(t, err, cgroup.ErrNotVisible)
	})
	t.Run("a container that is gone", func(t *testing.T) {
		m.process(300, "9:memory:/docker/"+id+"\n")
		require.NoError(t, r.Learn(id, 300))
		r.Retain(func(string) bool { return false })
		_, err := r.Read(id, true)
		require.ErrorIs(t, err, cgroup.ErrNotVisible)
	})
}

func TestLearnRefusesTheProcessOfAnother(t *testing.T) {
	m := newMachine(t, true)
	m.container("docker/" + id)
	m.process(7, "0::/system.slice/ssh.service\nnonsense\n")
	r := cgroup.NewReader(m.root, m.proc)
	require.ErrorIs(t, r.Learn(id, 7), cgroup.ErrNotVisible)
	require.ErrorIs(t, r.Learn(id, 8), os.ErrNotExist)
}

func TestFiguresThatAreNotThere(t *testing.T) {
	t.Run("block I/O is not accounted", func(t *testing.T) {
		for _, v2 := range []bool{false, true} {
			m := newMachine(t, v2)
			m.container("docker/" + id)
			require.NoError(t, os.RemoveAll(filepath.Join(m.root, "blkio")))
			require.NoError(t, os.RemoveAll(filepath.Join(m.root, "docker", id, "io.stat")))
			got, err := cgroup.NewReader(m.root, m.proc).Read(id, true)
			require.NoError(t, err)
			want := want
			want.DiskRead, want.DiskWritten = 0, 0
			assert.Equal(t, want, got)
		}
	})
	t.Run("the container ends while it is read", func(t *testing.T) {
		for _, file := range []string{"cpuacct/docker/" + id + "/cpuacct.usage", "memory/docker/" + id + "/memory.usage_in_bytes", "memory/docker/" + id + "/memory.stat"} {
			m := newMachine(t, false)
			m.container("docker/" + id)
			require.NoError(t, os.Remove(filepath.Join(m.root, file)))
			_, err := cgroup.NewReader(m.root, m.proc).Read(id, true)
			require.ErrorIs(t, err, os.ErrNotExist, file)
		}
		for _, file := range []string{"cpu.stat", "memory.current", "memory.stat"} {
			m := newMachine(t, true)
			m.container("docker/" + id)
			require.NoError(t, os.Remove(filepath.Join(m.root, "docker", id, file)))
			_, err := cgroup.NewReader(m.root, m.proc).Read(id, true)
			require.ErrorIs(t, err, os.ErrNotExist, file)
		}
	})
	t.Run("a number that is none", func(t *testing.T) {
		m := newMachine(t, true)
		m.container("docker/" + id)
		m.write(filepath.Join(m.root, "docker", id, "memory.current"), "max\n")
		_, err := cgroup.NewReader(m.root, m.proc).Read(id, true)
		require.ErrorIs(t, err, strconv.ErrSyntax)
	})
	t.Run("no cgroups at all", func(t *testing.T) {
		assert.False(t, cgroup.NewReader(t.TempDir(), t.TempDir()).Available())
	})
}

func TestWorkingSetIsNeverNegative(t *testing.T) {
	assert.Equal(t, uint64(700), cgroup.WorkingSet(1000, 300))
	assert.Equal(t, uint64(0), cgroup.WorkingSet(1000, 1001))
}

func TestTheKernelsLargerBlockFiguresCount(t *testing.T) {
	m := newMachine(t, false)
	m.container("docker/" + id)
	m.write(filepath.Join(m.root, "blkio", "docker", id, "blkio.io_service_bytes_recursive"), "Total 0\n")
	m.write(filepath.Join(m.root, "blkio", "docker", id, "blkio.throttle.io_service_bytes_recursive"), "8:0 Read 5\n8:0 Write x\n8:0 Sync 5\n")
	got, err := cgroup.NewReader(m.root, m.proc).Read(id, true)
	require.NoError(t, err)
	assert.Equal(t, uint64(5), got.DiskRead)
	assert.Equal(t, uint64(0), got.DiskWritten)
}

func TestAContainerThatWasRestartedIsFoundAgain(t *testing.T) {
	m := newMachine(t, true)
	m.container("docker/" + id)
	r := cgroup.NewReader(m.root, m.proc)
	_, err := r.Read(id, true)
	require.NoError(t, err)
	// It has another process now, and has used little.
	m.write(filepath.Join(m.root, "docker", id, "cgroup.procs"), "400\n")
	m.write(filepath.Join(m.root, "docker", id, "cpu.stat"), "usage_usec 7\n")
	m.process(400, "0::/docker/"+id+"\n")
	m.write(filepath.Join(m.proc, "400", "net", "dev"), "eth0: 1 0 0 0 0 0 0 0 2 0\n")
	got, err := r.Read(id, true)
	require.NoError(t, err)
	assert.Equal(t, uint64(1), got.NetworkReceived)
	assert.Equal(t, 7*time.Microsecond, got.CPU)
	// It moves.
	require.NoError(t, os.RemoveAll(filepath.Join(m.root, "docker")))
	m.container("system.slice/docker-" + id + ".scope")
	got, err = r.Read(id, true)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestNoNetworkIsReadWhereThereIsNone(t *testing.T) {
	m := newMachine(t, true)
	m.container("docker/" + id)
	require.NoError(t, os.RemoveAll(m.proc))
	got, err := cgroup.NewReader(m.root, m.proc).Read(id, false)
	require.NoError(t, err)
	want := want
	want.NetworkReceived, want.NetworkSent = 0, 0
	assert.Equal(t, want, got)
}
