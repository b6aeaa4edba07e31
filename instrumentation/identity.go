package instrumentation

import (
	"cmp"
	"context"
	"os"
	"path/filepath"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/evotel/evotel/semconv"
)

// newResource says who sends: the service, this process of it, and its host. The
// environment has the last word.
func newResource(ctx context.Context, c config) *resource.Resource {
	service := cmp.Or(c.serviceName, filepath.Base(os.Args[0]))
	res, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithHost(),
		resource.WithProcessPID(),
		resource.WithProcessRuntimeName(),
		resource.WithProcessRuntimeVersion(),
		resource.WithAttributes(
			attribute.String(semconv.AttrServiceName, service),
			// Unique, since two processes that share one would overwrite each
			// other's series.
			attribute.String(semconv.AttrServiceInstanceID, uuid.NewString()),
		),
		resource.WithFromEnv(),
	)
	if err != nil {
		// What could be found out is there all the same.
		c.log.Warn("evotel: not all is known of this process and its host; check OTEL_RESOURCE_ATTRIBUTES", "error", err)
	}
	attrs := res.Attributes()
	for i, kv := range attrs {
		if kv.Value.Type() == attribute.STRING {
			attrs[i].Value = attribute.StringValue(text(kv.Value.AsString()))
		}
	}
	return resource.NewWithAttributes(res.SchemaURL(), attrs...)
}
