package semconv

// What the Docker orphan receiver reports, aggregated per run.
var (
	// SandboxContainers counts the labelled containers.
	SandboxContainers = Metric{
		Name: "evolution.sandbox.containers", Unit: "{container}", Instrument: Gauge, Source: SourceSandbox,
		Description: "Sandbox containers by state and verdict.",
		Attributes:  []string{AttrSandboxState, AttrSandboxVerdict},
	}
	// SandboxOrphans counts the containers whose owner is gone. 0 is reported.
	SandboxOrphans = Metric{
		Name: "evolution.sandbox.orphans", Unit: "{container}", Instrument: Gauge, Source: SourceSandbox,
		Description: "Sandbox containers that nobody owns any more, by reason.",
		Attributes:  []string{AttrSandboxReason},
	}
	// SandboxUnverifiable counts the containers about which nothing can be
	// proven, and which are therefore kept.
	SandboxUnverifiable = Metric{
		Name: "evolution.sandbox.unverifiable", Unit: "{container}", Instrument: Gauge, Source: SourceSandbox,
		Description: "Sandbox containers whose ownership can't be proven either way, by reason; they are kept.",
		Attributes:  []string{AttrSandboxReason},
	}
	// SandboxExits counts sandboxes that have exited.
	SandboxExits = Metric{
		Name: "evolution.sandbox.exits", Unit: "{container}", Instrument: Counter, Source: SourceSandbox,
		Description: "Sandboxes that have exited, by how.",
		Attributes:  []string{AttrSandboxExit},
	}
	// SandboxLifetime is the time from start to exit.
	SandboxLifetime = Metric{
		Name: "evolution.sandbox.lifetime", Unit: "s", Instrument: Histogram, Source: SourceSandbox,
		Description: "Time from a sandbox's start to its exit.",
	}
	// SandboxReaps counts removals and attempts at them.
	SandboxReaps = Metric{
		Name: "evolution.sandbox.reaps", Unit: "{container}", Instrument: Counter, Source: SourceSandbox,
		Description: "Orphaned sandboxes acted upon, by reason and result.",
		Attributes:  []string{AttrSandboxReason, AttrSandboxReapResult},
	}
	// SandboxCPUTime is the CPU time of all sandboxes of a run.
	SandboxCPUTime = Metric{
		Name: "evolution.sandbox.cpu.time", Unit: "s", Instrument: Counter, Source: SourceSandbox,
		Description: "CPU time consumed by the sandboxes of a run.",
	}
	// SandboxMemoryUsage is the working set of all running sandboxes of a run.
	SandboxMemoryUsage = Metric{
		Name: "evolution.sandbox.memory.usage", Unit: "By", Instrument: Gauge, Source: SourceSandbox,
		Description: "Memory working set of the running sandboxes of a run (usage less inactive file pages).",
	}
	// SandboxMemoryUsageMax is the largest working set of any one sandbox.
	SandboxMemoryUsageMax = Metric{
		Name: "evolution.sandbox.memory.usage.max", Unit: "By", Instrument: Gauge, Source: SourceSandbox,
		Description: "Largest memory working set among the running sandboxes of a run.",
	}
	// SandboxNetworkIO counts network bytes.
	SandboxNetworkIO = Metric{
		Name: "evolution.sandbox.network.io", Unit: "By", Instrument: Counter, Source: SourceSandbox,
		Description: "Network bytes of the sandboxes of a run.",
		Attributes:  []string{AttrNetworkIODirection},
	}
	// SandboxDiskIO counts bytes read from and written to block devices.
	SandboxDiskIO = Metric{
		Name: "evolution.sandbox.disk.io", Unit: "By", Instrument: Counter, Source: SourceSandbox,
		Description: "Disk bytes of the sandboxes of a run.",
		Attributes:  []string{AttrDiskIODirection},
	}
	// SandboxDockerUp is 1 while the Docker daemon answers. It carries no run.
	SandboxDockerUp = Metric{
		Name: "evolution.sandbox.docker.up", Unit: "1", Instrument: Gauge, Source: SourceSandbox,
		Description: "1 while the Docker daemon answers, else 0.",
	}
)

// Resource use of single sandboxes, by the names of OTel's own conventions, where
// the receiver is asked for it. ContainerMemoryUsage belongs to them.
var (
	ContainerCPUTime = Metric{
		Name: "container.cpu.time", Unit: "s", Instrument: Counter, Source: SourceSandbox,
		Description: "CPU time of a sandbox.",
		Attributes:  containerAttributes,
	}
	ContainerNetworkIO = Metric{
		Name: "container.network.io", Unit: "By", Instrument: Counter, Source: SourceSandbox,
		Description: "Network bytes of a sandbox.",
		Attributes:  append([]string{AttrNetworkIODirection}, containerAttributes...),
	}
	ContainerDiskIO = Metric{
		Name: "container.disk.io", Unit: "By", Instrument: Counter, Source: SourceSandbox,
		Description: "Disk bytes of a sandbox.",
		Attributes:  append([]string{AttrDiskIODirection}, containerAttributes...),
	}
)

// containerAttributes tell sandboxes apart. A loop's own container has none.
var containerAttributes = []string{AttrContainerID, AttrContainerName, AttrContainerImageName}

// Attributes of the metrics of the Docker orphan receiver.
const (
	// AttrSandboxState is the container's state in Docker's words.
	AttrSandboxState = "evolution.sandbox.state"
	// AttrSandboxVerdict is one of the Verdict values.
	AttrSandboxVerdict = "evolution.sandbox.verdict"
	// AttrSandboxReason is one of the Reason values.
	AttrSandboxReason = "evolution.sandbox.reason"
	// AttrSandboxExit is one of the Exit values.
	AttrSandboxExit = "evolution.sandbox.exit"
	// AttrSandboxReapResult is one of the Reap values.
	AttrSandboxReapResult = "evolution.sandbox.reap.result"
	// AttrContainerID is the full id.
	AttrContainerID = "container.id"
	// AttrContainerName is the name that the engine knows it by.
	AttrContainerName = "container.name"
	// AttrContainerImageName is the image as it was asked for.
	AttrContainerImageName = "container.image.name"
	// AttrNetworkIODirection is OTel's network.io.direction.
	AttrNetworkIODirection = "network.io.direction"
	// AttrDiskIODirection is OTel's disk.io.direction.
	AttrDiskIODirection = "disk.io.direction"
)

// Values of AttrSandboxVerdict.
const (
	VerdictLive         = "live"
	VerdictOrphan       = "orphan"
	VerdictUnverifiable = "unverifiable"
)

// Values of AttrSandboxReason for orphans.
const (
	ReasonDeadline           = "deadline"
	ReasonOwnerContainerGone = "owner_container_gone"
	ReasonHostRebooted       = "host_rebooted"
	ReasonOwnerGone          = "owner_gone"
	ReasonExited             = "exited"
	ReasonRunSilent          = "run_silent"
	ReasonRunEnded           = "run_ended"
	ReasonMaxAge             = "max_age"
)

// Values of AttrSandboxReason for unverifiable containers.
const (
	ReasonOtherMachine     = "other_machine"
	ReasonOtherPIDNS       = "other_pid_namespace"
	ReasonLabelsMissing    = "labels_missing"
	ReasonLabelsMalformed  = "labels_malformed"
	ReasonLabelsInherited  = "labels_inherited"
	ReasonOwnerUnreadable  = "owner_unreadable"
	ReasonDockerUnreadable = "docker_unreadable"
)

// Values of AttrSandboxExit.
const (
	ExitOK        = "ok"
	ExitError     = "error"
	ExitOOMKilled = "oom_killed"
	ExitKilled    = "killed"
)

// Values of AttrNetworkIODirection and AttrDiskIODirection.
const (
	NetworkReceive  = "receive"
	NetworkTransmit = "transmit"
	DiskRead        = "read"
	DiskWrite       = "write"
)

// Values of AttrSandboxReapResult.
const (
	ReapRemoved = "removed"
	ReapGone    = "gone"
	ReapFailed  = "failed"
	ReapDryRun  = "dry_run"
)
