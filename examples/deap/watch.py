"""Watches a DEAP algorithm from outside: hand Watched to it as its hall of fame.

DEAP's algorithms (eaSimple, eaMuPlusLambda, ...) call the hall of fame's update once a generation with the whole
population, which is all there is to know.
"""

import sys
from functools import wraps
from pathlib import Path

from deap import tools

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))
import evotel  # noqa: E402  (examples/python/evotel.py)


class Watched(tools.HallOfFame):
    def __init__(self, run, toolbox, genome, maxsize=1):
        """genome makes a genome of an individual, as evotel.Run.population wants it."""
        super().__init__(maxsize)
        self._run, self._genome = run, genome
        evaluate = toolbox.evaluate

        @wraps(evaluate.func)
        def watched(individual):
            with run.evaluation():
                return evaluate(individual)

        toolbox.register("evaluate", watched)
        self._iteration = run.iteration()

    def update(self, population):
        super().update(population)
        self._run.champion(self[0].fitness.wvalues[0])
        self._run.population((i, x.fitness.wvalues[0], self._genome(x)) for i, x in enumerate(population))
        self._iteration.__exit__(None, None, None)
        self._iteration = self._run.iteration()
