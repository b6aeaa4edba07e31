// Package instrumentation reports what an evolutionary loop does, over
// OpenTelemetry, in ten lines and without the loop noticing.
//
//	monitor := instrumentation.Start(ctx, instrumentation.WithServiceName("my-loop"))
//	defer monitor.Shutdown(ctx)
//	run := monitor.Run()
//	for ctx.Err() == nil && !done {
//		iteration := run.Iteration()
//		err := evolve()
//		run.Champion(best)
//		run.Population("", individuals)
//		iteration.End(err)
//	}
//	run.End(ctx.Err())
//
// Nothing here returns an error that a loop would have to handle, waits for the
// network or panics; everything may be called from many goroutines and on nil.
//
// A loop that should say how it ended when it is told to stop takes its ctx from
// signal.NotifyContext, as the example does. The README says which metrics come
// of it, which OTEL_* variables matter, and what it costs.
package instrumentation
