"""DEAP's first example, OneMax: bit strings that shall become all ones. The last lines have it watched.

With the Collector running (`bin/evotel up`):

    python3 -m venv .venv && .venv/bin/pip install -r requirements.txt
    .venv/bin/python onemax.py --generations 100
"""

import argparse
import random
import signal
import sys
import time

from deap import algorithms, base, creator, tools

import watch

args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
args.add_argument("--generations", type=int, default=100)
args.add_argument("--pause", type=float, default=0.001, help="seconds that scoring takes")
args.add_argument("--run-id")
args = args.parse_args()

creator.create("FitnessMax", base.Fitness, weights=(1.0,))
creator.create("Individual", list, fitness=creator.FitnessMax)


def count_ones(individual):
    time.sleep(args.pause)
    return (sum(individual),)


toolbox = base.Toolbox()
toolbox.register("bit", random.randint, 0, 1)
toolbox.register("individual", tools.initRepeat, creator.Individual, toolbox.bit, 100)
toolbox.register("population", tools.initRepeat, list, toolbox.individual)
toolbox.register("evaluate", count_ones)
toolbox.register("mate", tools.cxTwoPoint)
toolbox.register("mutate", tools.mutFlipBit, indpb=0.05)
toolbox.register("select", tools.selTournament, tournsize=3)

signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # leaves the with below, as a failure
random.seed(64)
with watch.evotel.Run("deap-onemax", args.run_id) as run:
    best = watch.Watched(run, toolbox, genome=list)
    algorithms.eaSimple(toolbox.population(n=50), toolbox, 0.5, 0.2, args.generations, halloffame=best, verbose=False)
print(f"best: {best[0].fitness.values[0]:.0f}")
