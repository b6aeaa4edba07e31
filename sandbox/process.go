package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

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
	// Start is the start in clock ticks since boot, of a running process; 0 if
	// not known.
	Start uint64
}

// Process looks for a PID, as this mount numbers it.
func (p Proc) Process(pid int) Process {
	b, err := os.ReadFile(p.path(strconv.Itoa(pid), "stat"))
	switch {
	case err == nil:
		process := parseStat(string(b))
		if p.shifted() {
			process.Start = 0
		}
		return process
	case gone(err):
		// Mounted with hidepid, /proc denies what belongs to others. As a rule
		// it then denies PID 1 too, which always exists.
		if _, err := os.ReadFile(p.path("1", "stat")); err != nil || p.hides() {
			return Process{}
		}
		return Process{Status: ProcessGone}
	default:
		return Process{}
	}
}

// gone is whether there is no such process. It can end between open and read,
// which says ESRCH.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNoProcess)
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

// innerPIDs returns the numbers that a process has, by its /proc/PID/status, in
// the mount's PID namespace and in each one further in, down to its own.
func innerPIDs(status string) []int {
	for line := range strings.Lines(status) {
		rest, ok := strings.CutPrefix(line, "NSpid:")
		if !ok {
			continue
		}
		var pids []int
		for field := range strings.FieldsSeq(rest) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return nil
			}
			pids = append(pids, pid)
		}
		return pids
	}
	return nil
}

// Census lists the processes of a machine, so that an owner can be found in a
// PID namespace further in than the mount's, as one in a container is.
type Census struct {
	proc Proc
	// complete is whether no process was missed.
	complete bool
	// started holds the PIDs of the mount, by start.
	started map[uint64][]int
}

// Census counts the processes. It takes the kernel about 10 µs each.
func (p Proc) Census() Census {
	c := Census{proc: p, started: map[uint64][]int{}}
	entries, err := os.ReadDir(string(p))
	if err != nil || p.shifted() {
		return c
	}
	c.complete = p.pidNamespace() == initPIDNS && !p.hides()
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile(p.path(e.Name(), "stat"))
		if err != nil {
			c.complete = c.complete && gone(err)
			continue
		}
		switch process := parseStat(string(b)); process.Status {
		case ProcessRunning:
			c.started[process.Start] = append(c.started[process.Start], pid)
		case ProcessUnknown:
			c.complete = false
		}
	}
	return c
}

// Find looks for the process that has the PID in the PID namespace and began at
// start. It is gone only if no process of the machine that began then may go by
// that number there.
func (c Census) Find(pidns string, pid int, start uint64) Process {
	if pidns == "" || pid == 0 || start == 0 {
		return Process{}
	}
	certain := c.complete
	for _, outer := range c.started[start] {
		status, err := os.ReadFile(c.proc.path(strconv.Itoa(outer), "status"))
		if err != nil {
			certain = certain && gone(err)
			continue
		}
		pids, ns := innerPIDs(string(status)), c.proc.PIDNamespaceOf(outer)
		switch {
		case len(pids) == 0: // before Linux 4.1
			certain = false
		case pids[len(pids)-1] == pid && ns == pidns:
			return Process{Status: ProcessRunning, Start: start}
		case len(pids) <= 2 && pids[0] != pid && ns != "":
			// It is known by the mount's namespace and by its own, which is
			// another one: several loops can be started in the same tick.
		case slices.Contains(pids, pid):
			certain = false
		}
	}
	if !certain {
		return Process{}
	}
	return Process{Status: ProcessGone}
}
