package sandbox

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// DefaultProc is the process file system of the caller's own PID namespace.
const DefaultProc Proc = "/proc"

// initPIDNS is the inode that the kernel gives the first PID namespace
// (PROC_PID_INIT_INO), on every machine.
const initPIDNS = "pid:[4026531836]"

// bootMachine makes a machine id of a boot id. It stands in where the owner
// can't read the host's: in a container, whose own /etc/machine-id, if there is
// one, came with the image. It is the same for all processes of a host until it
// reboots.
func bootMachine(boot string) string { return "boot-" + boot }

// Proc is the mount point of a process file system. In a container with the
// host's mounted at /host/proc it is that. Where there is none (not Linux),
// nothing can be observed, and every owner stays unverifiable.
type Proc string

// Host identifies the machine that evidence comes from.
type Host struct {
	// Machines holds the ids that this machine goes by; none if not known.
	Machines []string
	// Boot is the current boot's id; empty if not known.
	Boot string
	// PIDNS is the PID namespace whose processes are visible; empty if not
	// known.
	PIDNS string
}

func (h Host) is(machine string) bool { return slices.Contains(h.Machines, machine) }

// ProcessStatus is what can be seen of a PID.
type ProcessStatus int

// What can be seen of a PID.
const (
	// ProcessUnknown: not looked for, or looking was not permitted.
	ProcessUnknown ProcessStatus = iota
	// ProcessRunning, by whatever name.
	ProcessRunning
	// ProcessGone includes a zombie, which only waits to be collected.
	ProcessGone
)

// Process is what can be seen of a PID.
type Process struct {
	Status ProcessStatus
	// Start is the start in clock ticks since boot; only of a running process.
	Start uint64
}

func (p Proc) path(elem ...string) string {
	return filepath.Join(append([]string{string(p)}, elem...)...)
}

func (p Proc) read(elem ...string) string {
	b, err := os.ReadFile(p.path(elem...))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Host returns what can be known of the host.
func (p Proc) Host() Host {
	h := Host{Boot: p.BootID(), PIDNS: p.pidNamespace()}
	// Next to a mounted /host/proc one usually finds /host/etc; else PID 1's
	// view of the file system will do, for who may look at it.
	for _, file := range []string{
		filepath.Join(filepath.Dir(string(p)), "etc", "machine-id"),
		p.path("1", "root", "etc", "machine-id"),
	} {
		if id := machineFile(file); id != "" && !h.is(id) {
			h.Machines = append(h.Machines, id)
		}
	}
	if h.Boot != "" {
		h.Machines = append(h.Machines, bootMachine(h.Boot))
	}
	return h
}

var machineIDFormat = regexp.MustCompile(`^[0-9a-f]{32}$`)

// machineFile reads a machine-id(5) file. It may hold "uninitialized".
func machineFile(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	id := strings.TrimSpace(string(b))
	if !machineIDFormat.MatchString(id) {
		return ""
	}
	return id
}

func (p Proc) machineID(inContainer bool) string {
	if !inContainer {
		if id := machineFile(filepath.Join(filepath.Dir(string(p)), "etc", "machine-id")); id != "" {
			return id
		}
	}
	if boot := p.BootID(); boot != "" {
		return bootMachine(boot)
	}
	return ""
}

// BootID returns the id of the host's current boot, or "".
func (p Proc) BootID() string { return p.read("sys", "kernel", "random", "boot_id") }

// pidNamespace returns the PID namespace that this mount shows.
func (p Proc) pidNamespace() string {
	// The parent of all kernel threads is PID 2 of the first namespace, and
	// anybody may look at it.
	if isKernelThread(p.read("2", "stat")) {
		return initPIDNS
	}
	if ns := p.PIDNamespaceOf(1); ns != "" {
		return ns
	}
	if p == DefaultProc {
		ns, err := os.Readlink(p.path("self", "ns", "pid"))
		if err == nil {
			return ns
		}
	}
	return ""
}

// PIDNamespaceOf returns the PID namespace of a process, or "".
func (p Proc) PIDNamespaceOf(pid int) string {
	ns, err := os.Readlink(p.path(strconv.Itoa(pid), "ns", "pid"))
	if err != nil {
		return ""
	}
	return ns
}

// Process looks for a PID.
func (p Proc) Process(pid int) Process {
	b, err := os.ReadFile(p.path(strconv.Itoa(pid), "stat"))
	switch {
	case err == nil:
		return parseStat(string(b))
	// The process can end between open and read, which says ESRCH.
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errNoProcess):
		// Mounted with hidepid, /proc denies what belongs to others. It then
		// denies PID 1 too, which always exists.
		if _, err := os.ReadFile(p.path("1", "stat")); err != nil {
			return Process{}
		}
		return Process{Status: ProcessGone}
	default:
		return Process{}
	}
}

// parseStat reads /proc/PID/stat. The second field is the command's name in
// parentheses, and may itself hold spaces and parentheses.
func parseStat(stat string) Process {
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return Process{}
	}
	// From here on fields[i] is field i+3 of proc(5).
	fields := strings.Fields(stat[end+1:])
	if len(fields) < 20 {
		return Process{}
	}
	threads, err := strconv.Atoi(fields[17])
	if err != nil {
		return Process{}
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return Process{}
	}
	switch fields[0] {
	case "Z", "X", "x":
		// A leader that has ended while other threads go on looks like a
		// zombie, too.
		if threads <= 1 {
			return Process{Status: ProcessGone}
		}
	}
	return Process{Status: ProcessRunning, Start: start}
}

// isKernelThread is whether a /proc/PID/stat says so (flag PF_KTHREAD), which a
// process can't pretend, other than by its name.
func isKernelThread(stat string) bool {
	const pfKThread = 0x00200000
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 7 {
		return false
	}
	flags, err := strconv.ParseUint(fields[6], 10, 64)
	return err == nil && flags&pfKThread != 0
}

// NamespaceInUse is whether a process lives in the PID namespace. It can't tell
// (second result false) if it found none and was denied a look at some process,
// or if this mount does not show all processes of the machine.
func (p Proc) NamespaceInUse(pidns string) (inUse, known bool) {
	entries, err := os.ReadDir(string(p))
	if err != nil {
		return false, false
	}
	known = p.pidNamespace() == initPIDNS
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		ns, err := os.Readlink(p.path(e.Name(), "ns", "pid"))
		switch {
		case err == nil && ns == pidns:
			return true, true
		case errors.Is(err, fs.ErrPermission):
			known = false
		}
	}
	return false, known
}

var (
	cgroupContainer = regexp.MustCompile(`(?:^|[/-])([0-9a-f]{64})(?:\.scope)?(?:/|$)`)
	mountContainer  = regexp.MustCompile(`/containers/([0-9a-f]{64})/`)
)

// ContainerOf returns the id of the container that a process runs in, or "".
func (p Proc) ContainerOf(pid int) string {
	if f, err := os.Open(p.path(strconv.Itoa(pid), "cgroup")); err == nil {
		id := containerInCgroup(f)
		_ = f.Close()
		if id != "" {
			return id
		}
	}
	// With a cgroup namespace of its own (the default on cgroup v2) a container
	// only sees "0::/"; its /etc/hostname still comes from the engine.
	f, err := os.Open(p.path(strconv.Itoa(pid), "mountinfo"))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	return containerInMounts(f)
}

// containerInCgroup reads /proc/PID/cgroup: lines of "ID:CONTROLLERS:PATH". The
// innermost container counts.
func containerInCgroup(r io.Reader) string {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		elems := strings.Split(parts[2], "/")
		for _, elem := range slices.Backward(elems) {
			if m := cgroupContainer.FindStringSubmatch(elem); m != nil {
				return m[1]
			}
		}
	}
	return ""
}

// containerInMounts reads /proc/PID/mountinfo. Only the files that an engine
// binds into a container count: a host sees the mounts of its containers too.
func containerInMounts(r io.Reader) string {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		switch fields[4] {
		case "/etc/hostname", "/etc/hosts", "/etc/resolv.conf":
			if m := mountContainer.FindStringSubmatch(fields[3]); m != nil {
				return m[1]
			}
		}
	}
	return ""
}
