// evotel's conventions on the official OpenTelemetry SDK: everything a loop needs to be watched.
import { randomUUID } from 'node:crypto';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AggregationTemporality, InstrumentType, MeterProvider, PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';

// Seconds. The default buckets are meant for milliseconds.
const explicitBucketBoundaries = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600,
];

// A numeric genome. OTLP's JavaScript encoder sends a whole number as an integer, and integers are categories:
// the two ends of [0,1] are moved inwards by less than any diversity can show.
export const numeric = (genes) => genes.map((g) => (Number.isInteger(g) ? g + (g > 0 ? -1e-12 : 1e-12) : g));

// OTLP carries UTF-8 only: half a pair of surrogates would make it refuse everything.
const plain = (value) => (typeof value === 'string' ? value.toWellFormed() : value);

// One run, reported every 2 s to OTEL_EXPORTER_OTLP_ENDPOINT (default http://localhost:4318).
export class Run {
  #run; #current; #championIteration; #championFitness; #provider; #iterations; #evaluations;
  #islands = new Map(); #active = new Set(); #state = 'running';

  constructor(service, { runId = randomUUID(), firstIteration = 1 } = {}) {
    this.#run = { 'evolution.run.id': runId };
    this.#current = this.#championIteration = firstIteration - 1;
    const resource = defaultResource().merge(
      resourceFromAttributes({ 'service.name': service, 'service.instance.id': randomUUID() }))
      .merge(detectResources({ detectors: [envDetector] })); // OTEL_SERVICE_NAME has the last word
    // OpenTelemetry's default of 60 s would make alerts a minute late.
    const interval = Number(process.env.OTEL_METRIC_EXPORT_INTERVAL) || 2000;
    // Totals make the next export as good as a retry: none is waited for longer than this.
    const exporter = new OTLPMetricExporter({ timeoutMillis: interval });
    // With cumulative temporality this SDK goes on reporting gauges that are no longer observed, here individuals that
    // have died. On the wire a gauge has no temporality.
    exporter.selectAggregationTemporality = (type) => (type === InstrumentType.OBSERVABLE_GAUGE
      ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({
      exporter,
      exportIntervalMillis: interval,
      exportTimeoutMillis: interval,
      cardinalityLimits: { observableGauge: 1e6 }, // the default, 2000, would cut populations
    });
    this.#provider = new MeterProvider({ resource, readers: [reader] });
    const meter = this.#provider.getMeter('evotel');
    const advice = { unit: 's', advice: { explicitBucketBoundaries } };
    this.#iterations = meter.createHistogram('evolution.iteration.duration', advice);
    this.#evaluations = meter.createHistogram('evolution.evaluation.duration', advice);

    const gauge = (name, unit, values) => meter.createObservableGauge(name, { unit }).addCallback((result) => {
      for (const [value, attributes] of values()) result.observe(value, { ...this.#run, ...attributes });
    });
    gauge('evolution.iteration.current', '{iteration}', () => [[this.#current]]);
    gauge('evolution.champion.iteration', '{iteration}', () => [[this.#championIteration]]);
    gauge('evolution.champion.fitness', '{fitness}',
      () => (this.#championFitness === undefined ? [] : [[this.#championFitness]]));
    gauge('evolution.evaluation.active', '{evaluation}', () => [[this.#active.size]]);
    gauge('evolution.evaluation.active.age.max', 's',
      () => [[Math.max(0, ...[...this.#active].map((e) => (performance.now() - e.start) / 1000))]]);
    gauge('evolution.run.state', '1', () => ['running', 'completed', 'failed'].map(
      (s) => [Number(s === this.#state), { 'evolution.run.state': s }]));
    // The population comes from observable gauges: what has died is not repeated.
    gauge('evolution.population.size', '{individual}',
      () => [...this.#islands.values()].map(({ island, individuals }) => [individuals.length, island]));
    gauge('evolution.individual.fitness', '{fitness}',
      () => [...this.#islands.values()].flatMap(({ island, individuals }) => individuals.map(({ id, fitness, genome }) => [
        fitness, { ...island, 'evolution.individual.id': id, 'evolution.individual.genome': genome }])));
  }

  // Runs one iteration and reports how it went.
  async iteration(body) {
    const start = performance.now();
    const end = (outcome) => {
      this.#current++;
      this.#iterations.record((performance.now() - start) / 1000, { ...this.#run, ...outcome });
    };
    try {
      const result = await body();
      end({ 'evolution.iteration.outcome': 'success' });
      return result;
    } catch (error) {
      end({ 'evolution.iteration.outcome': 'failure', 'error.type': error.name ?? '_OTHER' });
      throw error;
    }
  }

  // Scores one candidate; several may be in flight.
  async evaluation(body) {
    const evaluation = { start: performance.now() };
    this.#active.add(evaluation);
    let outcome = 'success';
    try {
      return await body();
    } catch (error) {
      outcome = error.name === 'TimeoutError' ? 'timeout' : 'failure';
      throw error;
    } finally {
      this.#active.delete(evaluation);
      this.#evaluations.record((performance.now() - evaluation.start) / 1000,
        { ...this.#run, 'evolution.evaluation.outcome': outcome });
    }
  }

  // The best fitness so far; the same again is no change.
  champion(fitness) {
    if (fitness === this.#championFitness) return;
    this.#championIteration = this.#current + 1;
    this.#championFitness = fitness;
  }

  // Individuals are {id, fitness, genome}. A genome is a string (identity), an array of strings (set of tokens), of
  // whole numbers or booleans (categorical), or numeric([...]) of genes scaled to [0,1] by their bounds.
  population(individuals, island = '') {
    this.#islands.set(island, {
      island: island ? { 'evolution.island': island } : {},
      individuals: individuals.map(({ id, fitness, genome }) => ({
        id: plain(String(id)), fitness, genome: Array.isArray(genome) ? genome.map(plain) : plain(genome),
      })),
    });
  }

  // Reports how the run ended, and exports for the last time.
  async end(error) {
    this.#state = error ? 'failed' : 'completed';
    await this.#provider.shutdown().catch((e) => console.warn(`evotel: the last export has failed: ${e.message}`));
  }
}
