package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/process"
)

const (
	// defaultMemoryLimit applies where nothing else does.
	defaultMemoryLimit = 512 << 20
	// leakUpTo is the share of the limit at which the leak stops, so that it is
	// never the machine that suffers.
	leakUpTo = 0.95
	// leakTime is how long it takes to leak as much as the limit.
	leakTime = time.Minute
	leakStep = 100 * time.Millisecond
)

// leakMemory fills memory at a steady rate, almost to the limit of the process,
// and holds it until ctx is done.
func leakMemory(ctx context.Context, log *slog.Logger) {
	limit := memoryLimit(log)
	self, err := process.NewProcessWithContext(ctx, int32(os.Getpid()))
	if err != nil {
		log.Warn("the leak can't see how much memory is in use, and does not begin", "error", err)
		return
	}
	block := int(limit * int64(leakStep) / int64(leakTime))
	log.Info("the leak begins", "limit_mib", limit>>20, "mib_per_second", float64(block)/(1<<20)/leakStep.Seconds())
	var held [][]byte
	ticker := time.NewTicker(leakStep)
	defer ticker.Stop()
	full := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		used, err := self.MemoryInfoWithContext(ctx)
		if err != nil {
			continue
		}
		if float64(used.RSS)+float64(block) > leakUpTo*float64(limit) {
			if !full {
				full = true
				log.Info("the leak holds what it has", "rss_mib", used.RSS>>20, "leaked_mib", len(held)*block>>20)
			}
			continue
		}
		leaked := make([]byte, block)
		for i := 0; i < len(leaked); i += 4096 {
			leaked[i] = 1 // a page that was never written to takes no memory
		}
		held = append(held, leaked)
	}
}

// memoryLimit returns the least of GOMEMLIMIT and the container's limit, in
// bytes, and sets the former if there is neither.
func memoryLimit(log *slog.Logger) int64 {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		limit = defaultMemoryLimit
		debug.SetMemoryLimit(limit)
		log.Info(fmt.Sprintf("GOMEMLIMIT is not set; taking %d MiB", limit>>20))
	}
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// "max", or a number near 2^63, stands for none.
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
			limit = min(limit, n)
		}
	}
	return limit
}
