package sandbox

import (
	"strings"
	"time"
)

// Kind is what is known about the ownership of a sandbox.
type Kind string

// The kinds of verdict.
const (
	// Live sandboxes have an owner.
	Live Kind = "live"
	// Orphan sandboxes provably have none, or their owner wants them gone.
	Orphan Kind = "orphan"
	// Unverifiable sandboxes may have one. They must be kept.
	Unverifiable Kind = "unverifiable"
)

// Reason is why a sandbox is an orphan or unverifiable.
type Reason string

// Why a sandbox is an orphan.
const (
	ReasonDeadline           Reason = "deadline"
	ReasonOwnerContainerGone Reason = "owner_container_gone"
	ReasonHostRebooted       Reason = "host_rebooted"
	ReasonOwnerGone          Reason = "owner_gone"
	ReasonExited             Reason = "exited"
	ReasonRunSilent          Reason = "run_silent"
	ReasonRunEnded           Reason = "run_ended"
	ReasonMaxAge             Reason = "max_age"
)

// Why a sandbox is unverifiable.
const (
	ReasonOtherMachine     Reason = "other_machine"
	ReasonOtherPIDNS       Reason = "other_pid_namespace"
	ReasonLabelsMissing    Reason = "labels_missing"
	ReasonLabelsMalformed  Reason = "labels_malformed"
	ReasonLabelsInherited  Reason = "labels_inherited"
	ReasonOwnerUnreadable  Reason = "owner_unreadable"
	ReasonDockerUnreadable Reason = "docker_unreadable"
)

// OrphanReasons returns every reason for which a sandbox can be an orphan, in
// the order in which they are tried.
func OrphanReasons() []Reason {
	return []Reason{
		ReasonDeadline, ReasonOwnerContainerGone, ReasonHostRebooted, ReasonOwnerGone,
		ReasonExited, ReasonRunSilent, ReasonRunEnded, ReasonMaxAge,
	}
}

// UnverifiableReasons returns every reason for which a sandbox can be
// unverifiable.
func UnverifiableReasons() []Reason {
	return []Reason{
		ReasonOtherMachine, ReasonOtherPIDNS, ReasonLabelsMissing,
		ReasonLabelsMalformed, ReasonLabelsInherited, ReasonOwnerUnreadable, ReasonDockerUnreadable,
	}
}

// Verdict is what is known about the ownership of a sandbox, and why.
type Verdict struct {
	Kind Kind
	// Reason is empty for Live.
	Reason Reason
}

// The states of a container, in Docker's words.
const (
	StateCreated    = "created"
	StateRunning    = "running"
	StatePaused     = "paused"
	StateRestarting = "restarting"
	StateRemoving   = "removing"
	StateExited     = "exited"
	StateDead       = "dead"
)

// State is what the container engine says about the sandbox itself.
type State struct {
	// Status is one of the State constants.
	Status string
	// Created is when the container was created; zero if not known.
	Created time.Time
	// Finished is when it last stopped; zero if never or not known.
	Finished time.Time
}

// ContainerStatus is what the engine says about the owner's own container.
type ContainerStatus int

// What can be known of the owner's container.
const (
	// ContainerUnknown: not asked, no answer, or absent from an engine that
	// need not know it.
	ContainerUnknown ContainerStatus = iota
	// ContainerRunning includes paused and restarting.
	ContainerRunning
	// ContainerGone: stopped, or removed.
	ContainerGone
)

// RunStatus is what telemetry says about the sandbox's run.
type RunStatus int

// What can be known of a run.
const (
	// RunUnknown: never heard of, or whoever listens is too young or too deaf
	// to tell.
	RunUnknown RunStatus = iota
	// RunHeard lately.
	RunHeard
	// RunSilent for too long, while others were heard.
	RunSilent
	// RunEnded by its own word.
	RunEnded
)

// Observations is the evidence about a sandbox's owner.
type Observations struct {
	// Now is the time to compare deadlines and ages with.
	Now time.Time
	// Host is the host on which Process was observed.
	Host Host
	// Process is what has the owner's PID in the namespace Host.PIDNS.
	Process Process
	// OwnerContainer is the container that the owner runs in.
	OwnerContainer ContainerStatus
	// Run is what telemetry says about the run; RunUnknown if there is none.
	Run RunStatus
}

// Policy is what whoever looks after the sandboxes has decided.
type Policy struct {
	// ExitedAfter is how long a sandbox with a live owner may stand exited,
	// dead or never started; 0 for ever.
	ExitedAfter time.Duration
	// MaxAge is how old a sandbox of an unknown owner may become; 0 for ever.
	MaxAge time.Duration
}

// firstDocker is before any container was created. A time before it is that of
// a machine whose clock was not set, and says nothing about age.
var firstDocker = time.Date(2013, time.March, 1, 0, 0, 0, 0, time.UTC)

// Judge gives the verdict over a container. The first signal that proves
// something wins:
//
//	deadline passed                                          orphan: deadline
//	owner's container gone or stopped                        orphan: owner_container_gone
//	same machine, another boot                               orphan: host_rebooted
//	same machine, boot, PID namespace; PID gone or reused    orphan: owner_gone
//	the same, and the owner is there                         live, or orphan: exited
//	run silent while others are heard                        orphan: run_silent
//	run ended by its own word                                orphan: run_ended
//	older than Policy.MaxAge                                 orphan: max_age
//	anything else                                            unverifiable
//
// A label that was not understood proves nothing, and leaves the others their
// weight.
func Judge(claim Claim, state State, o Observations, p Policy) Verdict {
	if !claim.Sandbox {
		return Verdict{Unverifiable, ReasonLabelsMissing}
	}
	if !claim.Deadline.IsZero() && o.Now.After(claim.Deadline) {
		return Verdict{Orphan, ReasonDeadline}
	}
	if claim.Owner.Container != "" && o.OwnerContainer == ContainerGone {
		return Verdict{Orphan, ReasonOwnerContainerGone}
	}
	fate, why := judgeOwner(claim, state, o)
	switch fate {
	case ownerGone:
		return Verdict{Orphan, why}
	case ownerAlive:
		if stoodIdle(state, o.Now, p.ExitedAfter) {
			return Verdict{Orphan, ReasonExited}
		}
		return Verdict{Kind: Live}
	}
	switch o.Run {
	case RunSilent:
		return Verdict{Orphan, ReasonRunSilent}
	case RunEnded:
		return Verdict{Orphan, ReasonRunEnded}
	}
	if olderThan(state.Created, o.Now, p.MaxAge) {
		return Verdict{Orphan, ReasonMaxAge}
	}
	return Verdict{Unverifiable, why}
}

type ownerFate int

const (
	ownerUnknown ownerFate = iota
	ownerAlive
	ownerGone
)

// judgeOwner compares the labelled owner with the host. For ownerUnknown the
// reason is why nothing is proven.
func judgeOwner(claim Claim, state State, o Observations) (ownerFate, Reason) {
	owner, host := claim.Owner, o.Host
	// A lacking label is the fault of the label, if it was there but unreadable.
	lacking := func(label string) Reason {
		for _, m := range claim.Malformed {
			if m == label {
				return ReasonLabelsMalformed
			}
		}
		return ReasonLabelsMissing
	}
	switch {
	case owner.Machine == "":
		return ownerUnknown, lacking(LabelOwnerMachine)
	case len(host.Machines) == 0:
		return ownerUnknown, ReasonOwnerUnreadable
	case !host.is(owner.Machine):
		return ownerUnknown, ReasonOtherMachine
	case owner.Boot == "":
		return ownerUnknown, lacking(LabelOwnerBoot)
	case host.Boot == "":
		return ownerUnknown, ReasonOwnerUnreadable
	case owner.Boot != host.Boot:
		return judgeReboot(state, host)
	case owner.PIDNS == "":
		return ownerUnknown, lacking(LabelOwnerPIDNS)
	case owner.PID == 0:
		return ownerUnknown, lacking(LabelOwnerPID)
	case host.PIDNS == "":
		return ownerUnknown, ReasonOwnerUnreadable
	case owner.PIDNS != host.PIDNS:
		return ownerUnknown, ReasonOtherPIDNS
	}
	switch o.Process.Status {
	case ProcessGone:
		return ownerGone, ReasonOwnerGone
	case ProcessRunning:
		if owner.Start == 0 {
			return ownerUnknown, lacking(LabelOwnerStart)
		}
		if o.Process.Start == 0 {
			return ownerUnknown, ReasonOwnerUnreadable
		}
		if owner.Start != o.Process.Start {
			return ownerGone, ReasonOwnerGone
		}
		return ownerAlive, ""
	default:
		return ownerUnknown, ReasonOwnerUnreadable
	}
}

// judgeReboot tells a host that has rebooted from another one that goes by the
// same machine id, as the copies of one virtual machine or image do: what was
// created since this host booted does not belong to an earlier boot of it.
func judgeReboot(state State, host Host) (ownerFate, Reason) {
	switch {
	case host.Booted.IsZero(), !state.Created.After(firstDocker):
		return ownerUnknown, ReasonOwnerUnreadable
	case !state.Created.Before(host.Booted):
		return ownerUnknown, ReasonOtherMachine
	}
	return ownerGone, ReasonHostRebooted
}

// Inherited is whether the labels that a verdict rests on may have come with
// the container's image, as those of a sandbox that was committed do. They then
// speak of the sandbox that the image was made of, and the verdict is worth
// nothing for a container that somebody has started from it.
func Inherited(container, image Claim, r Reason) bool {
	if !image.Sandbox {
		return false
	}
	sameOwner, sameRun := image.Owner == container.Owner, image.Run == container.Run
	switch r {
	case ReasonDeadline:
		return image.Deadline.Equal(container.Deadline)
	case ReasonRunSilent, ReasonRunEnded:
		return sameRun
	case ReasonMaxAge:
		// An image that only says what its containers are for says nothing of
		// one of them.
		return sameOwner && sameRun && (image.Owner != Owner{} || image.Run != "")
	}
	return sameOwner
}

// stoodIdle is whether the container has stood stopped, or never started, for
// longer than limit.
func stoodIdle(s State, now time.Time, limit time.Duration) bool {
	switch s.Status {
	case StateExited:
		return olderThan(s.Finished, now, limit)
	case StateDead:
		if s.Finished.Before(firstDocker) {
			return olderThan(s.Created, now, limit)
		}
		return olderThan(s.Finished, now, limit)
	case StateCreated:
		return olderThan(s.Created, now, limit)
	}
	return false
}

// olderThan is whether t lies further back than limit. Limit 0 is no limit, and
// a time that can't be true proves nothing.
func olderThan(t, now time.Time, limit time.Duration) bool {
	return limit > 0 && t.After(firstDocker) && now.Sub(t) > limit
}

// Explain says in words why the verdict was given.
func (v Verdict) Explain() string {
	if v.Kind == Live {
		return "its owner is running"
	}
	if s, ok := explanations[v.Reason]; ok {
		return s
	}
	return strings.ReplaceAll(string(v.Reason), "_", " ")
}

var explanations = map[Reason]string{
	ReasonDeadline:           "its owner's deadline has passed",
	ReasonOwnerContainerGone: "the container that its owner ran in is gone or stopped",
	ReasonHostRebooted:       "its owner's host has rebooted since",
	ReasonOwnerGone:          "its owner process has ended",
	ReasonExited:             "its owner is running but has left it standing stopped",
	ReasonRunSilent:          "its run has fallen silent while others are heard",
	ReasonRunEnded:           "its run has said that it ended",
	ReasonMaxAge:             "nothing is known of its owner, and it is older than allowed",
	ReasonOtherMachine:       "its owner is on another machine",
	ReasonOtherPIDNS:         "its owner is in a PID namespace that can't be seen from here",
	ReasonLabelsMissing:      "its labels don't say who the owner is",
	ReasonLabelsMalformed:    "its labels can't be understood",
	ReasonLabelsInherited:    "its labels came with its image, and may be about another container",
	ReasonOwnerUnreadable:    "its owner can't be observed from here",
	ReasonDockerUnreadable:   "the engine did not answer about its owner",
}
