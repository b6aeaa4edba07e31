//go:generate mdatagen metadata.yaml

// Package dockerorphanreceiver watches the labelled sandbox containers of a
// Docker Engine, reports their number, fate and resource use per run, and, if
// told to, removes those that provably nobody owns any more.
package dockerorphanreceiver
