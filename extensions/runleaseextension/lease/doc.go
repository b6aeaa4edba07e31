// Package lease judges from telemetry whether a run still lives. It is pure: it
// reads no clock, and is told the time with everything that it hears.
//
// A Book remembers sources, which are the processes (or whatever has a resource
// of its own) that send telemetry, and runs, each with the word of every source
// that has spoken of it. Two things can be proven:
//
//   - A run has ended when all its sources have said so, or have fallen silent,
//     and nobody has taken that back for a while.
//   - A run is silent when every source that has not ended is, although the
//     Collector was all ears.
//
// Silence is therefore not measured in time but in hearing: a clock that only
// advances while others are heard. It stands still while the Collector is deaf,
// and all silences begin anew when the Collector was down, suspended or stopped.
// Whoever is in doubt gets sandbox.RunUnknown, which condemns nobody.
package lease
