// Package population reads the individuals of evolving populations out of OTLP
// requests: which belong together, which can be compared, and what is left out.
package population

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/evotel/evotel/semconv"
)

// Island is what a snapshot is of: a population of a run of a loop.
type Island struct {
	// resource tells the resources of a request apart, whose attributes may be
	// repeated.
	resource        uint64
	Run, Name       string
	hasRun, hasName bool
}

func islandOf(resource uint64, attributes pcommon.Map) Island {
	key := Island{resource: resource}
	if v, ok := attributes.Get(semconv.AttrRunID); ok {
		key.Run, key.hasRun = v.AsString(), true
	}
	if v, ok := attributes.Get(semconv.AttrIsland); ok {
		key.Name, key.hasName = v.AsString(), true
	}
	return key
}

// Put sets the attributes that name the island.
func (key Island) Put(attributes pcommon.Map) {
	if key.hasRun {
		attributes.PutStr(semconv.AttrRunID, key.Run)
	}
	if key.hasName {
		attributes.PutStr(semconv.AttrIsland, key.Name)
	}
}
