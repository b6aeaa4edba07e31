package instrumentation

import (
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// durationBounds, in seconds, fit a loop of 5 ms as well as one of 30 minutes.
var durationBounds = [...]float64{
	0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
	1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600,
}

// histogram counts durations. Unlike the SDK's it exists before its first value,
// which keeps rates and ratios right from the start. Its zero value is ready.
type histogram struct {
	mu     sync.Mutex
	counts [len(durationBounds) + 1]uint64
	count  uint64
	sum    float64
	min    float64
	max    float64
}

func (h *histogram) record(d time.Duration) {
	seconds := d.Seconds()
	bucket, _ := slices.BinarySearch(durationBounds[:], seconds)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[bucket]++
	if h.count == 0 || seconds < h.min {
		h.min = seconds
	}
	if seconds > h.max {
		h.max = seconds
	}
	h.count++
	h.sum += seconds
}

func (h *histogram) point(attrs attribute.Set, start, now time.Time) metricdata.HistogramDataPoint[float64] {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := metricdata.HistogramDataPoint[float64]{
		Attributes: attrs, StartTime: start, Time: now,
		Count: h.count, Sum: h.sum,
		Bounds: slices.Clone(durationBounds[:]), BucketCounts: slices.Clone(h.counts[:]),
	}
	if h.count > 0 {
		p.Min, p.Max = metricdata.NewExtrema(h.min), metricdata.NewExtrema(h.max)
	}
	return p
}
