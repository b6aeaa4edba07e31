package runleaseprocessor

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"maps"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	otel "go.opentelemetry.io/otel/semconv/v1.37.0"

	"github.com/evotel/evotel/semconv"
)

// sourceOf identifies who sends: by service.instance.id, which tells processes
// apart, or else by all that is known.
func sourceOf(resource pcommon.Map) string {
	h := sha256.New()
	if instance := get(resource, semconv.AttrServiceInstanceID); instance != "" {
		write(h, get(resource, string(otel.ServiceNamespaceKey)))
		write(h, get(resource, semconv.AttrServiceName))
		write(h, instance)
	} else {
		all := map[string]string{}
		for name, value := range resource.All() {
			all[name] = value.AsString()
		}
		for _, name := range slices.Sorted(maps.Keys(all)) {
			write(h, name)
			write(h, all[name])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// write adds a string that no other sequence of strings can look like.
func write(h hash.Hash, s string) {
	sum := sha256.Sum256([]byte(s))
	_, _ = h.Write(sum[:])
}

// get returns an attribute as text; empty if there is none.
func get(attributes pcommon.Map, name string) string {
	value, ok := attributes.Get(name)
	if !ok {
		return ""
	}
	return value.AsString()
}

// hostOf names the machine of a source; empty if it does not say.
func hostOf(resource pcommon.Map) string {
	if id := get(resource, string(otel.HostIDKey)); id != "" {
		return id
	}
	return get(resource, string(otel.HostNameKey))
}
