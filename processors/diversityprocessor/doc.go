//go:generate mdatagen metadata.yaml

// Package diversityprocessor measures the diversity of an evolving population: it
// takes the snapshot that a loop sends as evolution.individual.fitness, one point
// an individual, and passes on measures instead. What it reports is a function of
// one request; between requests it only remembers which islands have told their
// size, so as not to take a part of a snapshot for the whole, and its warnings.
package diversityprocessor
