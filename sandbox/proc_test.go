package sandbox_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evotel/evotel/sandbox"
)

const (
	machine   = "0123456789abcdef0123456789abcdef"
	initPIDNS = "pid:[4026531836]"
	kthreadd  = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 26 0 0"
)

// tree is a process file system made of plain files.
type tree struct {
	t *testing.T
	sandbox.Proc
}

func newTree(t *testing.T) tree {
	return tree{t, sandbox.Proc(filepath.Join(t.TempDir(), "proc"))}
}

func (f tree) write(path, content string) {
	f.t.Helper()
	file := filepath.Join(string(f.Proc), path)
	require.NoError(f.t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(f.t, os.WriteFile(file, []byte(content), 0o600))
}

func (f tree) link(path, target string) {
	f.t.Helper()
	file := filepath.Join(string(f.Proc), path)
	require.NoError(f.t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(f.t, os.Symlink(target, file))
}

// kernel makes it that of a host, with a boot, a clock, a machine id and two
// processes: 1 and the parent of the kernel's threads.
func (f tree) kernel() {
	f.t.Helper()
	f.write("sys/kernel/random/boot_id", "b1\n")
	f.write("stat", "cpu  1 2 3\nbtime 1780000000\nprocesses 9\n")
	f.write("../etc/machine-id", machine+"\n")
	f.process(1, stat("init", 'S', 1, 2), "NSpid:\t1", initPIDNS)
	f.write("2/stat", kthreadd)
}

// process adds one that its PID namespace calls by the last of the numbers in
// nspid.
func (f tree) process(pid int, stat, nspid, pidns string) {
	f.t.Helper()
	dir := strconv.Itoa(pid)
	f.write(dir+"/stat", strconv.Itoa(pid)+stat)
	f.write(dir+"/status", "Name:\tx\n"+nspid+"\nThreads:\t1\n")
	if pidns != "" {
		f.link(dir+"/ns/pid", pidns)
	}
}

// stat is a /proc/PID/stat without the PID.
func stat(name string, state rune, threads int, start uint64) string {
	return fmt.Sprintf(" (%s) %c 1 300 300 0 -1 4194560 9 0 0 0 3 2 0 0 20 0 %d 0 %d 44957696 3300 184467440737", name, state, threads, start)
}

func running(start uint64) sandbox.Process {
	return sandbox.Process{Status: sandbox.ProcessRunning, Start: start}
}

var (
	gone    = sandbox.Process{Status: sandbox.ProcessGone}
	unknown = sandbox.Process{}
)

func TestProcessReadsStat(t *testing.T) {
	tests := []struct {
		name, stat string
		want       sandbox.Process
	}{
		{"sleeping", stat("loop", 'S', 4, 777), running(777)},
		{"running", stat("loop", 'R', 1, 777), running(777)},
		{"stopped by a debugger", stat("loop", 't', 1, 777), running(777)},
		{"in the kernel", stat("loop", 'D', 1, 777), running(777)},
		{"named to deceive", stat(") Z 1 (", 'S', 1, 777), running(777)},
		{"named with spaces", stat("a b  c", 'S', 1, 777), running(777)},
		{"named with a line feed", stat("a\nb", 'S', 1, 777), running(777)},
		{"a zombie", stat("loop", 'Z', 1, 777), gone},
		{"dead", stat("loop", 'X', 0, 777), gone},
		{"a leader that ended before its other threads", stat("loop", 'Z', 3, 777), running(777)},
		{"empty", "", unknown},
		{"cut short", " (loop) S 1 300", unknown},
		{"no name", " S 1 2 3", unknown},
		{"not a number", strings.Replace(stat("loop", 'S', 1, 777), "777", "x", 1), unknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newTree(t)
			f.kernel()
			f.process(300, test.stat, "NSpid:\t300", initPIDNS)
			assert.Equal(t, test.want, f.Process(300))
		})
	}
}

func TestProcessThatIsNotThere(t *testing.T) {
	mount := func(options string) string {
		return "22 1 0:5 / /sys rw - sysfs sysfs rw\n23 1 0:21 / PROC rw,nosuid shared:5 - proc proc " + options + "\n"
	}
	tests := []struct {
		name   string
		change func(f tree)
		want   sandbox.Process
	}{
		{"is gone", func(tree) {}, gone},
		{"is gone, and hidepid is off", func(f tree) {
			f.write("self/mountinfo", strings.Replace(mount("rw,hidepid=0"), "PROC", string(f.Proc), 1))
		}, gone},
		{"is gone, and others only deny their files", func(f tree) {
			f.write("self/mountinfo", strings.Replace(mount("rw,hidepid=noaccess"), "PROC", string(f.Proc), 1))
		}, gone},
		{"may be hidden, as PID 1 is", func(f tree) { require.NoError(f.t, os.RemoveAll(filepath.Join(string(f.Proc), "1"))) }, unknown},
		{"may be hidden, though PID 1, which is ours, is not", func(f tree) {
			f.write("self/mountinfo", strings.Replace(mount("rw,gid=7,hidepid=invisible"), "PROC", string(f.Proc), 1))
		}, unknown},
		{"may be hidden, says an old kernel", func(f tree) {
			f.write("self/mountinfo", strings.Replace(mount("rw,hidepid=2"), "PROC", string(f.Proc), 1))
		}, unknown},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newTree(t)
			f.kernel()
			test.change(f)
			assert.Equal(t, test.want, f.Process(300))
		})
	}
	assert.Equal(t, unknown, newTree(t).Process(300), "no /proc at all")
}

func TestProcessThatMayNotBeRead(t *testing.T) {
	f := newTree(t)
	f.kernel()
	// Neither may root read a directory.
	require.NoError(t, os.MkdirAll(filepath.Join(string(f.Proc), "300", "stat"), 0o700))
	assert.Equal(t, unknown, f.Process(300))
}

func TestStartsAreNotComparedAcrossTimeNamespaces(t *testing.T) {
	f := newTree(t)
	f.kernel()
	f.process(300, stat("loop", 'S', 1, 777), "NSpid:\t300", initPIDNS)
	f.link("self/ns/time", "time:[4026532777]")
	assert.Equal(t, running(0), f.Process(300))
	assert.Equal(t, unknown, f.Census().Find("pid:[4026532009]", 1, 777))
	assert.NotContains(t, sandbox.Labels("r", sandbox.WithProc(f.Proc), sandbox.WithOwner(300)), sandbox.LabelOwnerStart)
}

func TestHost(t *testing.T) {
	const other = "ffffffffffffffffffffffffffffffff"
	booted := time.Unix(1780000000, 0)
	tests := []struct {
		name   string
		change func(f tree)
		want   sandbox.Host
	}{
		{"a host", func(tree) {}, sandbox.Host{Machines: []string{machine, "boot-b1"}, Boot: "b1", Booted: booted, PIDNS: initPIDNS}},
		{"without a machine id", func(f tree) { f.write("../etc/machine-id", "uninitialized\n") },
			sandbox.Host{Machines: []string{"boot-b1"}, Boot: "b1", Booted: booted, PIDNS: initPIDNS}},
		{"whose PID 1 sees another machine id", func(f tree) { f.write("1/root/etc/machine-id", other) },
			sandbox.Host{Machines: []string{machine, other, "boot-b1"}, Boot: "b1", Booted: booted, PIDNS: initPIDNS}},
		{"without boot id and boot time", func(f tree) { f.write("sys/kernel/random/boot_id", ""); f.write("stat", "cpu 1\nbtime x\n") },
			sandbox.Host{Machines: []string{machine}, PIDNS: initPIDNS}},
		{"a container, whose PID 1 came with an image", func(f tree) {
			require.NoError(f.t, os.RemoveAll(filepath.Join(string(f.Proc), "1")))
			f.process(1, stat("loop", 'S', 1, 5000), "NSpid:\t1", "pid:[4026532009]")
			f.write("2/stat", "2"+stat("kthreadd", 'S', 1, 5001))
			f.write("1/root/etc/machine-id", other)
		}, sandbox.Host{Machines: []string{machine, "boot-b1"}, Boot: "b1", Booted: booted, PIDNS: "pid:[4026532009]"}},
		{"a container whose PID 1 is somebody else's", func(f tree) {
			require.NoError(f.t, os.RemoveAll(filepath.Join(string(f.Proc), "1")))
			require.NoError(f.t, os.RemoveAll(filepath.Join(string(f.Proc), "2")))
			f.write("self/status", "Name:\tus\nNSpid:\t7\n")
			f.link("self/ns/pid", "pid:[4026532009]")
		}, sandbox.Host{Machines: []string{machine, "boot-b1"}, Boot: "b1", Booted: booted, PIDNS: "pid:[4026532009]"}},
		{"further out than we are, and hidden", func(f tree) {
			require.NoError(f.t, os.RemoveAll(filepath.Join(string(f.Proc), "1")))
			require.NoError(f.t, os.RemoveAll(filepath.Join(string(f.Proc), "2")))
			f.write("self/status", "Name:\tus\nNSpid:\t812\t7\n")
			f.link("self/ns/pid", "pid:[4026532009]")
		}, sandbox.Host{Machines: []string{machine, "boot-b1"}, Boot: "b1", Booted: booted}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newTree(t)
			f.kernel()
			test.change(f)
			assert.Equal(t, test.want, f.Host())
		})
	}
	assert.Equal(t, sandbox.Host{}, newTree(t).Host(), "no /proc at all")
}

func TestCensusFindsOwnersInContainers(t *testing.T) {
	const ns = "pid:[4026532009]"
	setUp := func(t *testing.T) tree {
		f := newTree(t)
		f.kernel()
		f.process(300, stat("loop", 'S', 1, 5000), "NSpid:\t300\t1", ns)
		f.process(301, stat("worker", 'S', 1, 5000), "NSpid:\t301\t8", ns)
		f.process(302, stat("other", 'S', 1, 5000), "NSpid:\t302\t9", "pid:[4026532010]")
		f.process(303, stat("deep", 'S', 1, 6000), "NSpid:\t303\t12\t1", "pid:[4026532011]")
		f.process(306, stat("private", 'S', 1, 7000), "NSpid:\t306\t1", "")
		f.process(304, stat("zombie", 'Z', 1, 5000), "NSpid:\t304\t13", ns)
		return f
	}
	f := setUp(t)
	census := f.Census()
	assert.Equal(t, running(5000), census.Find(ns, 1, 5000))
	assert.Equal(t, running(5000), census.Find(ns, 8, 5000))
	assert.Equal(t, gone, census.Find(ns, 1, 4999), "the container has been restarted since")
	assert.Equal(t, gone, census.Find(ns, 7, 5000))
	assert.Equal(t, gone, census.Find(ns, 13, 5000), "a zombie")
	assert.Equal(t, gone, census.Find("pid:[4026532777]", 44, 1234), "a namespace that has ended")
	assert.Equal(t, gone, census.Find(ns, 9, 5000), "another loop, started at the same time in a namespace of its own")
	assert.Equal(t, unknown, census.Find(ns, 1, 7000), "one whose namespace may not be read")
	assert.Equal(t, unknown, census.Find(ns, 12, 6000), "numbered by a namespace in between")
	assert.Equal(t, unknown, census.Find(ns, 1, 0), "start not labelled")
	assert.Equal(t, unknown, census.Find("", 1, 5000), "namespace not labelled")

	for name, hide := range map[string]func(f tree){
		"a mount of a namespace that is not the first": func(f tree) {
			require.NoError(t, os.RemoveAll(filepath.Join(string(f.Proc), "1")))
			f.process(1, stat("outer", 'S', 1, 2), "NSpid:\t1", "pid:[4026532001]")
			f.write("2/stat", "2"+stat("kthreadd", 'S', 1, 1))
		},
		"a mount that hides processes": func(f tree) {
			f.write("self/mountinfo", "23 1 0:21 / "+string(f.Proc)+" rw - proc proc rw,hidepid=4\n")
		},
		"a process that may not be read": func(f tree) {
			require.NoError(t, os.MkdirAll(filepath.Join(string(f.Proc), "305", "stat"), 0o700))
		},
		"a process that makes no sense":        func(f tree) { f.write("305/stat", "305 (x)") },
		"a kernel that does not number inside": func(f tree) { f.write("301/status", "Name:\tx\n") },
	} {
		f := setUp(t)
		hide(f)
		census := f.Census()
		assert.Equal(t, running(5000), census.Find(ns, 1, 5000), name)
		assert.Equal(t, unknown, census.Find(ns, 7, 5000), name)
	}
	assert.Equal(t, unknown, newTree(t).Census().Find(ns, 1, 5000), "no /proc at all")
}

func TestCensusOfThisMachine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: there is no /proc to count")
	}
	proc := sandbox.DefaultProc
	self := proc.Process(os.Getpid())
	require.Equal(t, sandbox.ProcessRunning, self.Status)
	assert.Equal(t, self, proc.Census().Find(proc.PIDNamespaceOf(os.Getpid()), os.Getpid(), self.Start))
}

func TestZombiesAreGone(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: there is no /proc to look at")
	}
	child := exec.Command("sleep", "600")
	require.NoError(t, child.Start())
	defer func() { _ = child.Wait() }()
	assert.Equal(t, sandbox.ProcessRunning, sandbox.DefaultProc.Process(child.Process.Pid).Status)
	require.NoError(t, child.Process.Signal(syscall.SIGKILL))
	// Nobody has waited for it yet.
	require.Eventually(t, func() bool {
		return sandbox.DefaultProc.Process(child.Process.Pid) == gone
	}, 10*time.Second, 5*time.Millisecond)
}

func TestContainerOf(t *testing.T) {
	outer, inner := strings.Repeat("0a", 32), strings.Repeat("1b", 32)
	tests := []struct {
		name, cgroup, mounts, want string
	}{
		{"a host", "0::/user.slice/session-2.scope\n", "31 1 8:1 / / rw - ext4 /dev/sda1 rw\n", ""},
		{"cgroup v1", "9:memory:/docker/" + inner + "\n1:name=systemd:/docker/" + inner + "\n", "", inner},
		{"cgroup v2, systemd driver", "0::/system.slice/docker-" + inner + ".scope\n", "", inner},
		{"Podman", "0::/user.slice/user-1000.slice/libpod-" + inner + ".scope/container\n", "", inner},
		{"Kubernetes", "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + inner + ".scope\n", "", inner},
		{"Docker in Docker", "0::/docker/" + outer + "/docker/" + inner + "\n", "", inner},
		{"a folder of a container's", "0::/docker/" + inner + "/init.scope\n", "", inner},
		{"a name that only looks like one", "0::/docker/" + inner[:63] + "\n", "", ""},
		{"cgroup v2, namespace of its own", "0::/\n",
			"700 690 8:1 /var/lib/docker/containers/" + inner + "/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n", inner},
		{"a host that sees the mounts of its containers", "0::/\n",
			"700 690 8:1 /containers/" + inner + "/shm /var/lib/docker/containers/" + inner + "/mounts/shm rw - tmpfs shm rw\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newTree(t)
			f.write("300/cgroup", test.cgroup)
			f.write("300/mountinfo", test.mounts)
			assert.Equal(t, test.want, f.ContainerOf(300))
		})
	}
	assert.Empty(t, newTree(t).ContainerOf(300), "no /proc at all")
}
