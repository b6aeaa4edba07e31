package sandbox

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DefaultProc is the process file system of the caller's own PID namespace.
const DefaultProc Proc = "/proc"

// The inodes that the kernel gives the first namespaces, on every machine
// (PROC_PID_INIT_INO, PROC_TIME_INIT_INO).
const (
	initPIDNS  = "pid:[4026531836]"
	initTimeNS = "time:[4026531834]"
)

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
	// Booted is when that was; zero if not known.
	Booted time.Time
	// PIDNS is the PID namespace whose processes are visible; empty if not
	// known.
	PIDNS string
}

func (h Host) is(machine string) bool { return slices.Contains(h.Machines, machine) }

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

func (p Proc) link(elem ...string) string {
	l, err := os.Readlink(p.path(elem...))
	if err != nil {
		return ""
	}
	return l
}

// Host returns what can be known of the host.
func (p Proc) Host() Host {
	h := Host{Boot: p.BootID(), Booted: p.booted(), PIDNS: p.pidNamespace()}
	var files []string
	// Next to a mounted /host/proc one usually finds /host/etc. Next to a
	// container's own /proc there is what came with its image.
	if filepath.Clean(string(p)) != string(DefaultProc) || !p.contained() {
		files = append(files, filepath.Join(filepath.Dir(string(p)), "etc", "machine-id"))
	}
	if h.PIDNS == initPIDNS {
		// PID 1's view of the file system, for who may look at it.
		files = append(files, p.path("1", "root", "etc", "machine-id"))
	}
	for _, file := range files {
		if id := machineFile(file); id != "" && !h.is(id) {
			h.Machines = append(h.Machines, id)
		}
	}
	if h.Boot != "" {
		h.Machines = append(h.Machines, bootMachine(h.Boot))
	}
	return h
}

// contained is whether the caller seems to run in a container, of any kind.
func (p Proc) contained() bool {
	return p.pidNamespace() != initPIDNS || p.containerOf("self") != "" || p.bindsHostFiles("self")
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

// BootID returns the id of the host's current boot, or "".
func (p Proc) BootID() string { return p.read("sys", "kernel", "random", "boot_id") }

// booted returns when the host booted, by its clock, or zero.
func (p Proc) booted() time.Time {
	for line := range strings.Lines(p.read("stat")) {
		if s, ok := strings.CutPrefix(line, "btime "); ok {
			if seconds, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil {
				return time.Unix(seconds, 0)
			}
		}
	}
	return time.Time{}
}

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
	// We may look at ourselves, and are in the mount's namespace if it has only
	// one number for us. (Further out there is one for each level.)
	if len(innerPIDs(p.read("self", "status"))) == 1 {
		return p.link("self", "ns", "pid")
	}
	return ""
}

// self returns the caller's own PID as this mount numbers it, or 0. It is not
// what the caller's own PID namespace calls it where that was entered without
// mounting /proc anew.
func (p Proc) self() int {
	pid, err := strconv.Atoi(p.link("self"))
	if err != nil {
		return 0
	}
	return pid
}

// foreign is whether this mount is known to be that of a PID namespace further
// out than the caller's.
func (p Proc) foreign() bool { return len(innerPIDs(p.read("self", "status"))) > 1 }

// PIDNamespaceOf returns the PID namespace of a process, or "".
func (p Proc) PIDNamespaceOf(pid int) string { return p.link(strconv.Itoa(pid), "ns", "pid") }

// shifted is whether we live in a time namespace, where the kernel reports
// start times that nobody else sees.
func (p Proc) shifted() bool {
	ns := p.link("self", "ns", "time")
	return ns != "" && ns != initTimeNS
}

// hides is whether this mount does not show everybody's processes (hidepid).
// Whoever it hides looks like gone.
func (p Proc) hides() bool {
	for line := range strings.Lines(p.read("self", "mountinfo")) {
		// ID PARENT MAJOR:MINOR ROOT MOUNTPOINT … - TYPE SOURCE OPTIONS
		mount, fs, ok := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !ok || len(fields) < 5 || fields[4] != filepath.Clean(string(p)) {
			continue
		}
		for option := range strings.SplitSeq(strings.TrimSpace(fs[strings.LastIndexByte(fs, ' ')+1:]), ",") {
			// The first level shows that a process exists, and denies the rest.
			if v, ok := strings.CutPrefix(option, "hidepid="); ok && !slices.Contains([]string{"0", "off", "1", "noaccess"}, v) {
				return true
			}
		}
	}
	return false
}
