package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// fault is something that goes wrong on purpose.
type fault string

const (
	collapse fault = "collapse" // the population becomes copies of one individual
	stall    fault = "stall"    // offspring are copies, so that nothing improves
	fail     fault = "fail"     // nearly all candidates are garbled on their way to the sandbox
	leak     fault = "leak"     // the process's memory grows to its limit
	orphans  fault = "orphans"  // sandboxes are left behind by a process that ends
	crash    fault = "crash"    // the process kills itself and leaves its sandboxes
)

var allFaults = []fault{collapse, stall, fail, leak, orphans, crash}

// firstFault is the iteration at which a fault begins if not said otherwise.
const firstFault = 10

// faults has the iteration at which each fault begins; those that never do are
// absent.
type faults map[fault]int

// parseFaults reads "name" and "name@iteration".
func parseFaults(texts []string) (faults, error) {
	parsed := faults{}
	var errs []error
	for _, text := range texts {
		name, at, given := strings.Cut(strings.TrimSpace(text), "@")
		first := firstFault
		if given {
			n, err := strconv.Atoi(at)
			if err != nil || n < 1 {
				errs = append(errs, fmt.Errorf("--fault %s: %q is not an iteration, expected a number from 1", text, at))
				continue
			}
			first = n
		}
		if !slices.Contains(allFaults, fault(name)) {
			errs = append(errs, fmt.Errorf("--fault %s: expected one of %s", text, faultNames()))
			continue
		}
		parsed[fault(name)] = first
	}
	return parsed, errors.Join(errs...)
}

func faultNames() string {
	names := make([]string, len(allFaults))
	for i, f := range allFaults {
		names[i] = string(f)
	}
	return strings.Join(names, ", ")
}

// on tells whether a fault has begun by this iteration.
func (f faults) on(which fault, iteration int) bool {
	first, ok := f[which]
	return ok && iteration >= first
}

// begins tells whether it is in this iteration that a fault begins.
func (f faults) begins(which fault, iteration int) bool {
	return f[which] == iteration && iteration > 0
}
