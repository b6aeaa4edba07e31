//go:generate mdatagen metadata.yaml

// Package runleaseprocessor reads from the metrics that pass which runs are
// heard, from which source, and how they ended, and tells the run lease
// extension. It changes nothing and never fails a request.
package runleaseprocessor
