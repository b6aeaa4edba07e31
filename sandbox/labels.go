package sandbox

import (
	"strconv"
	"time"
)

// The labels of a sandbox container.
const (
	// LabelSandbox is the selector; its value is SelectorValue. A container
	// without it is never looked at.
	LabelSandbox = "dev.evotel.sandbox"
	// LabelRunID is the run that the sandbox belongs to.
	LabelRunID = "dev.evotel.run.id"
	// LabelOwnerMachine is the machine id of the owner's host.
	LabelOwnerMachine = "dev.evotel.owner.machine"
	// LabelOwnerBoot is the boot id of the owner's host.
	LabelOwnerBoot = "dev.evotel.owner.boot"
	// LabelOwnerPID is the owner's PID, as LabelOwnerPIDNS numbers it.
	LabelOwnerPID = "dev.evotel.owner.pid"
	// LabelOwnerStart is the owner's start time in clock ticks since boot
	// (/proc/PID/stat, field 22). It tells the owner from a later process with
	// the same PID.
	LabelOwnerStart = "dev.evotel.owner.start"
	// LabelOwnerPIDNS is the PID namespace in which the owner has this PID, as in
	// "pid:[4026531836]": its own, or that of who labelled it from further out.
	LabelOwnerPIDNS = "dev.evotel.owner.pidns"
	// LabelOwnerContainer is the id of the container that the owner runs in.
	LabelOwnerContainer = "dev.evotel.owner.container"
	// LabelDeadline is the time, in RFC 3339, after which the owner does not
	// want the sandbox any more.
	LabelDeadline = "dev.evotel.deadline"

	// SelectorValue is the value of LabelSandbox.
	SelectorValue = "1"
)

// Option changes what Labels writes.
type Option func(*labelOptions)

type labelOptions struct {
	pid      int // 0: the caller
	deadline time.Time
	proc     Proc // empty: DefaultProc
}

// WithOwner names the process with this PID as the owner. Default: the calling
// process. It must be visible in the caller's /proc.
func WithOwner(pid int) Option {
	return func(o *labelOptions) { o.pid = pid }
}

// WithDeadline says when the sandbox may be removed whether its owner lives or
// not. Default: never.
func WithDeadline(t time.Time) Option {
	return func(o *labelOptions) { o.deadline = t }
}

// WithProc reads the owner from another mount of /proc, and takes WithOwner's
// PID as that mount numbers it. Default: DefaultProc, and the caller's number.
func WithProc(p Proc) Option {
	return func(o *labelOptions) { o.proc = p }
}

// Labels returns the labels to put on a container that belongs to the run.
// What can't be read (all of the owner where there is no /proc) is left out; a
// sandbox without it is unverifiable, and kept.
func Labels(runID string, opts ...Option) map[string]string {
	var o labelOptions
	for _, opt := range opts {
		opt(&o)
	}
	labels := map[string]string{LabelSandbox: SelectorValue, LabelRunID: runID}
	if !o.deadline.IsZero() {
		labels[LabelDeadline] = o.deadline.UTC().Format(time.RFC3339)
	}
	if o.proc == "" {
		o.proc = DefaultProc
		if o.pid != 0 && o.proc.foreign() {
			return labels // there the number may be somebody else's
		}
	}
	if o.pid == 0 {
		o.pid = o.proc.self()
	}
	process := o.proc.Process(o.pid)
	if process.Status != ProcessRunning {
		return labels
	}
	set := func(key, value string) {
		if value != "" {
			labels[key] = value
		}
	}
	set(LabelOwnerPID, strconv.Itoa(o.pid))
	if process.Start != 0 {
		set(LabelOwnerStart, strconv.FormatUint(process.Start, 10))
	}
	set(LabelOwnerContainer, o.proc.ContainerOf(o.pid))
	host := o.proc.Host()
	// Not the owner's own namespace, if that is a deeper one: the PID is what
	// this mount calls it.
	set(LabelOwnerPIDNS, host.PIDNS)
	set(LabelOwnerBoot, host.Boot)
	if len(host.Machines) > 0 {
		set(LabelOwnerMachine, host.Machines[0])
	}
	return labels
}
