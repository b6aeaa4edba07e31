"""evotel's conventions on the official OpenTelemetry SDK: everything a loop needs to be watched."""

import math
import os
import threading
import time
import uuid

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider, ObservableGauge
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource

# Seconds. The default buckets are meant for milliseconds.
BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600]


# Milliseconds. OpenTelemetry's default of 60 s would make alerts a minute late.
os.environ.setdefault("OTEL_METRIC_EXPORT_INTERVAL", "2000")


class Run:
    """One run, reported every 2 s to OTEL_EXPORTER_OTLP_ENDPOINT (default http://localhost:4318)."""

    def __init__(self, service, run_id=None, first_iteration=1):
        self._lock = threading.Lock()
        self._run = {"evolution.run.id": run_id or str(uuid.uuid4())}
        self._current = self._champion_iteration = first_iteration - 1
        self._champion_fitness = None
        self._islands, self._shown = {}, []
        self._active = {}
        self._state = "running"
        resource = Resource.create({"service.name": service, "service.instance.id": str(uuid.uuid4())})
        resource = resource.merge(OTELResourceDetector().detect())  # OTEL_SERVICE_NAME has the last word
        # Totals make the next export as good as a retry: none is waited for longer than this, in seconds.
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(timeout=5),
            cardinality_limits={ObservableGauge: 1_000_000})  # the default, 2000, would cut populations
        self._provider = MeterProvider([reader], resource)
        meter = self._provider.get_meter("evotel")
        self._iterations = meter.create_histogram(
            "evolution.iteration.duration", "s", explicit_bucket_boundaries_advisory=BUCKETS)
        self._evaluations = meter.create_histogram(
            "evolution.evaluation.duration", "s", explicit_bucket_boundaries_advisory=BUCKETS)

        def gauge(name, unit, values):
            def observe(_):
                with self._lock:
                    return [Observation(v, self._run | attributes) for v, attributes in values()]
            meter.create_observable_gauge(name, [observe], unit)

        gauge("evolution.iteration.current", "{iteration}", lambda: [(self._current, {})])
        gauge("evolution.champion.iteration", "{iteration}", lambda: [(self._champion_iteration, {})])
        gauge("evolution.champion.fitness", "{fitness}",
              lambda: [] if self._champion_fitness is None else [(self._champion_fitness, {})])
        gauge("evolution.evaluation.active", "{evaluation}", lambda: [(len(self._active), {})])
        gauge("evolution.evaluation.active.age.max", "s",
              lambda: [(max((time.monotonic() - t for t in self._active.values()), default=0.0), {})])
        gauge("evolution.run.state", "1",
              lambda: [(int(s == self._state), {"evolution.run.state": s}) for s in ("running", "completed", "failed")])
        # The population comes from observable gauges: what has died is not repeated. They are asked one after the other,
        # and must speak of the same population.
        def sizes():
            self._shown = list(self._islands.values())
            return [(len(population), island) for island, population in self._shown]

        gauge("evolution.population.size", "{individual}", sizes)
        gauge("evolution.individual.fitness", "{fitness}",
              lambda: [(fitness, island | {"evolution.individual.id": id, "evolution.individual.genome": genome})
                       for island, population in self._shown for id, fitness, genome in population])

    def iteration(self):
        """A context manager around one iteration."""
        return _Timed(lambda seconds, error: self._end_iteration(seconds, error))

    def evaluation(self):
        """A context manager around the scoring of one candidate, in any thread."""
        key = object()
        with self._lock:
            self._active[key] = time.monotonic()
        return _Timed(lambda seconds, error: self._end_evaluation(key, seconds, error))

    def champion(self, fitness):
        """The best fitness so far; the same again is no change."""
        with self._lock:
            if math.isfinite(fitness := float(fitness)) and fitness != self._champion_fitness:
                self._champion_iteration, self._champion_fitness = self._current + 1, fitness

    def population(self, individuals, island=""):
        """Individuals are (id, fitness, genome); those without a finite fitness are left out. A genome is a str (identity)
        or a sequence of str (set of tokens), of int or bool (categorical), or of float (numeric, each gene scaled to [0,1]
        by its bounds)."""
        copy = [(_plain(str(id)), float(fitness), _plain(genome)) for id, fitness, genome in individuals
                if math.isfinite(fitness)]  # the SDK would drop others, and warn of each
        with self._lock:
            self._islands[island] = ({"evolution.island": island} if island else {}, copy)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        with self._lock:
            self._state = "failed" if kind else "completed"
        self._provider.shutdown()  # exports for the last time

    def _end_iteration(self, seconds, error):
        with self._lock:
            self._current += 1
        outcome = {"evolution.iteration.outcome": "failure", "error.type": error} if error else {
            "evolution.iteration.outcome": "success"}
        self._iterations.record(seconds, self._run | outcome)

    def _end_evaluation(self, key, seconds, error):
        with self._lock:
            del self._active[key]
        outcome = "success" if not error else "timeout" if error == "TimeoutError" else "failure"
        self._evaluations.record(seconds, self._run | {"evolution.evaluation.outcome": outcome})


def _plain(genome):
    """A copy of what OTLP can carry: no numpy, and nothing in a string that is not UTF-8."""
    if isinstance(genome, str):
        return genome.encode(errors="backslashreplace").decode()
    genome = genome.tolist() if hasattr(genome, "tolist") else genome
    return tuple(_plain(g) if isinstance(g, str) else g for g in genome)


class _Timed:
    def __init__(self, end):
        self._end, self._start = end, time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self._end(time.monotonic() - self._start, kind and kind.__name__)
