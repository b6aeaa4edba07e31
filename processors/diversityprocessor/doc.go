//go:generate mdatagen metadata.yaml

// Package diversityprocessor measures the diversity of an evolving population: it
// takes the snapshot that a loop sends as evolution.individual.fitness, one point
// an individual, and passes on measures instead. It keeps nothing between
// requests but which runs it has warned about.
package diversityprocessor
