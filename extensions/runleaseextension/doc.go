//go:generate mdatagen metadata.yaml

// Package runleaseextension remembers which runs have been heard and how they
// ended. The run lease processor tells it, the Docker orphan receiver asks it.
// What it makes of that is in package lease.
package runleaseextension
