package sandbox

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxPID is the kernel's largest possible PID on 64-bit machines
// (PID_MAX_LIMIT); a larger number was never one.
const maxPID = 1 << 22

// maxLabel bounds what is read of a label; every honest value is shorter.
const maxLabel = 256

// Owner is the process that wants the sandbox, as far as its labels say.
type Owner struct {
	// Machine and Boot identify the host and its current boot.
	Machine, Boot string
	// PID is the owner's PID as PIDNS numbers it; 0 if not known.
	PID int
	// Start is the owner's start in clock ticks since boot; 0 if not known.
	Start uint64
	// PIDNS is the PID namespace, as in "pid:[4026531836]".
	PIDNS string
	// Container is the id of the container that the owner runs in, if any.
	Container string
}

// Claim is what the labels of a sandbox say.
type Claim struct {
	// Sandbox is whether the container is one of ours at all.
	Sandbox bool
	// Run is the run id; empty if unknown.
	Run string
	// Owner is the process that wants the sandbox.
	Owner Owner
	// Deadline is the owner's word on when to remove the sandbox; zero if
	// none.
	Deadline time.Time
	// Malformed lists the labels whose value was not understood, and which
	// were therefore ignored.
	Malformed []string
}

var (
	pidNamespace = regexp.MustCompile(`^pid:\[[0-9]{1,20}\]$`)
	hexID        = regexp.MustCompile(`^[0-9a-f]{12,64}$`)
)

// ParseClaim reads the labels of a container. It never fails: what it does not
// understand is listed in Malformed and otherwise taken as absent.
func ParseClaim(labels map[string]string) Claim {
	c := Claim{Sandbox: labels[LabelSandbox] == SelectorValue}
	read := func(label string, parse func(value string) bool) {
		value, ok := labels[label]
		if !ok {
			return
		}
		if value == "" || len(value) > maxLabel || !parse(value) {
			c.Malformed = append(c.Malformed, label)
		}
	}
	word := func(to *string) func(string) bool {
		return func(v string) bool {
			if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r > '~' }) {
				return false
			}
			*to = v
			return true
		}
	}
	read(LabelRunID, func(v string) bool {
		if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
			return false
		}
		c.Run = v
		return true
	})
	read(LabelOwnerMachine, word(&c.Owner.Machine))
	read(LabelOwnerBoot, word(&c.Owner.Boot))
	read(LabelOwnerPID, func(v string) bool {
		pid, err := strconv.ParseUint(v, 10, 32)
		if err != nil || pid == 0 || pid > maxPID {
			return false
		}
		c.Owner.PID = int(pid)
		return true
	})
	read(LabelOwnerStart, func(v string) bool {
		start, err := strconv.ParseUint(v, 10, 64)
		if err != nil || start == 0 {
			return false // a number out of range comes back as the largest
		}
		c.Owner.Start = start
		return true
	})
	read(LabelOwnerPIDNS, func(v string) bool {
		if !pidNamespace.MatchString(v) {
			return false
		}
		c.Owner.PIDNS = v
		return true
	})
	read(LabelOwnerContainer, func(v string) bool {
		if !hexID.MatchString(v) {
			return false
		}
		c.Owner.Container = v
		return true
	})
	read(LabelDeadline, func(v string) bool {
		deadline, err := time.Parse(time.RFC3339, v)
		if err != nil || deadline.IsZero() {
			return false
		}
		c.Deadline = deadline
		return true
	})
	return c
}
