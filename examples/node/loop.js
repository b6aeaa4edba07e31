// A small evolutionary loop, bit strings that shall become all ones, watched by evotel. The nearer they come, the more
// they are alike: EvolutionDiversityCollapse fires then, as it should.
// With the Collector running (`bin/evotel up`):
//
//     npm install --no-package-lock && node loop.js --iterations 200
import { parseArgs } from 'node:util';
import { setTimeout } from 'node:timers/promises';
import { Run } from './evotel.js';

const { values: args } = parseArgs({
  options: {
    iterations: { type: 'string', default: '200' },
    pause: { type: 'string', default: '100' }, // milliseconds between iterations
    'run-id': { type: 'string' },
    collapse: { type: 'boolean', default: false }, // copy the best over all others
  },
});

const score = (bits) => bits.filter(Boolean).length;
const random = (n) => Math.floor(Math.random() * n);
let population = Array.from({ length: 40 }, () => Array.from({ length: 256 }, () => Math.random() < 0.5));

const run = new Run('node-loop', { runId: args['run-id'] });
let stopped;
process.once('SIGTERM', () => { stopped = new Error('stopped'); });
process.once('SIGINT', () => { stopped = new Error('stopped'); });

for (let n = 0; n < Number(args.iterations) && !stopped; n++) {
  await run.iteration(async () => {
    const children = population.map((parent, i) => {
      const other = population[random(population.length)];
      const child = parent.map((bit, j) => (Math.random() < 0.5 ? bit : other[j]));
      child[random(child.length)] = Math.random() < 0.5;
      return child;
    });
    const scored = await Promise.all([...population, ...children].map(
      async (bits) => ({ bits, fitness: await run.evaluation(async () => score(bits)) })));
    scored.sort((a, b) => b.fitness - a.fitness);
    population = scored.slice(0, 40).map(({ bits }) => (args.collapse ? scored[0].bits : bits));
    run.champion(scored[0].fitness);
    run.population(population.map((bits, id) => ({ id, fitness: score(bits), genome: bits })));
  });
  await setTimeout(Number(args.pause));
}
await run.end(stopped);
console.log(`best: ${Math.max(...population.map(score))}`);
