package semconv

// Resource use of the loop's process, of its container and of its host, as the
// instrumentation library reports it. Names, units and instruments are those of
// OTel's own conventions. These know neither a container's limit nor the load;
// for the two, the names are those of the Collector's docker_stats and
// hostmetrics receivers.
var (
	ProcessMemoryUsage = Metric{
		Name: "process.memory.usage", Unit: "By", Instrument: UpDownCounter, Source: SourceLoop,
		Description: "Resident memory of the process.",
	}
	ProcessMemoryVirtual = Metric{
		Name: "process.memory.virtual", Unit: "By", Instrument: UpDownCounter, Source: SourceLoop,
		Description: "Virtual memory of the process.",
	}
	ProcessCPUTime = Metric{
		Name: "process.cpu.time", Unit: "s", Instrument: Counter, Source: SourceLoop,
		Description: "CPU time of the process by mode.",
		Attributes:  []string{AttrCPUMode},
	}
	ProcessThreadCount = Metric{
		Name: "process.thread.count", Unit: "{thread}", Instrument: UpDownCounter, Source: SourceLoop,
		Description: "Threads of the process.",
	}
	ProcessOpenFiles = Metric{
		Name: "process.unix.file_descriptor.count", Unit: "{file_descriptor}", Instrument: UpDownCounter, Source: SourceLoop,
		Description: "Open file descriptors of the process.",
	}
	ProcessUptime = Metric{
		Name: "process.uptime", Unit: "s", Instrument: Gauge, Source: SourceLoop,
		Description: "Time since the process started.",
	}
	ContainerMemoryUsage = Metric{
		Name: "container.memory.usage", Unit: "By", Instrument: UpDownCounter, Source: SourceLoop,
		Description: "Memory working set of a container: that which the loop runs in, or a sandbox.",
		Attributes:  containerAttributes,
	}
	ContainerMemoryLimit = Metric{
		Name: "container.memory.usage.limit", Unit: "By", Instrument: UpDownCounter, Source: SourceLoop,
		Description: "Memory limit of the container that the process runs in; absent when there is none.",
	}
	SystemMemoryUsage = Metric{
		Name: "system.memory.usage", Unit: "By", Instrument: UpDownCounter, Source: SourceLoop,
		Description: "Memory of the host by state.",
		Attributes:  []string{AttrMemoryState},
	}
	SystemMemoryUtilization = Metric{
		Name: "system.memory.utilization", Unit: "1", Instrument: Gauge, Source: SourceLoop,
		Description: "Share of the host's memory by state, in [0,1].",
		Attributes:  []string{AttrMemoryState},
	}
	SystemCPUUtilization = Metric{
		Name: "system.cpu.utilization", Unit: "1", Instrument: Gauge, Source: SourceLoop,
		Description: "Share of the host's CPU time in use since the last collection, over all CPUs, in [0,1].",
	}
	SystemCPULoad1m = Metric{
		Name: "system.cpu.load_average.1m", Unit: "{thread}", Instrument: Gauge, Source: SourceLoop,
		Description: "Average load of the host over 1 minute.",
	}
	SystemFilesystemUtilization = Metric{
		Name: "system.filesystem.utilization", Unit: "1", Instrument: Gauge, Source: SourceLoop,
		Description: "Share of the file system in use that the process works in, in [0,1].",
	}
)

// Attributes and values of OTel's own conventions that evotel uses.
const (
	// AttrServiceName names the loop.
	AttrServiceName = "service.name"
	// AttrServiceInstanceID tells processes of the same loop apart.
	AttrServiceInstanceID = "service.instance.id"
	// AttrCPUMode is CPUModeUser or CPUModeSystem.
	AttrCPUMode = "cpu.mode"
	// AttrMemoryState is MemoryStateUsed or MemoryStateFree.
	AttrMemoryState = "system.memory.state"

	CPUModeUser   = "user"
	CPUModeSystem = "system"

	MemoryStateUsed = "used"
	MemoryStateFree = "free"
)
