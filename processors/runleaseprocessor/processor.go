package runleaseprocessor

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/evotel/evotel/extensions/runleaseextension/lease"
)

// book is what the extension offers.
type book interface{ Hear(lease.Report) }

type listener struct {
	id   component.ID
	book book
}

func (l *listener) start(_ context.Context, host component.Host) error {
	found, ok := host.GetExtensions()[l.id].(book)
	if !ok {
		return fmt.Errorf("\"lease\" must name a run_lease extension that is in service::extensions, and %q is not one", l.id)
	}
	l.book = found
	return nil
}

// listen tells the extension of each source that has something to say.
func (l *listener) listen(_ context.Context, request pmetric.Metrics) (pmetric.Metrics, error) {
	for _, resource := range request.ResourceMetrics().All() {
		if h := listenTo(resource); h.any {
			attributes := resource.Resource().Attributes()
			l.book.Hear(lease.Report{Source: sourceOf(attributes), Host: hostOf(attributes), Runs: h.runs})
		}
	}
	return request, nil
}
