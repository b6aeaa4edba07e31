// Package sandbox says who owns a sandbox container, and judges whether anybody
// still does.
//
// A loop puts Labels on each container that it starts. Whoever looks after the
// containers gathers observations about the labelled owner (Proc reads them from
// /proc) and asks Judge, a pure function, for a Verdict. What can't be proven is
// Unverifiable, and must be left alone.
package sandbox
