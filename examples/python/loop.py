"""A small evolutionary loop, two islands looking for the minimum of the Rastrigin function, watched by evotel.

With the Collector running (`bin/evotel up`):

    python3 -m venv .venv && .venv/bin/pip install -r requirements.txt
    .venv/bin/python loop.py --iterations 200
"""

import argparse
import math
import random
import signal
import sys
import time

import evotel

BOUND = 5.12


def rastrigin(x):
    return sum(v * v - 10 * math.cos(2 * math.pi * v) + 10 for v in x)


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--iterations", type=int, default=200)
    args.add_argument("--pause", type=float, default=0.1, help="seconds between iterations")
    args.add_argument("--run-id")
    args.add_argument("--collapse", action="store_true", help="copy the best over all others")
    args = args.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # leaves the with below, as a failure

    random.seed(1)
    islands = {name: [[random.uniform(-BOUND, BOUND) for _ in range(8)] for _ in range(30)] for name in ("north", "south")}
    best = math.inf
    with evotel.Run("python-loop", args.run_id) as run:
        for _ in range(args.iterations):
            with run.iteration():
                for name, population in islands.items():
                    scored = []
                    for parent in population:
                        child = [min(max(v + random.gauss(0, 0.3), -BOUND), BOUND) for v in parent]
                        with run.evaluation():
                            scored += [(rastrigin(child), child), (rastrigin(parent), parent)]
                    scored.sort()
                    islands[name] = [x for _, x in scored[:30]]
                    if args.collapse:
                        islands[name] = [scored[0][1]] * 30
                    best = min(best, scored[0][0])
                    run.champion(-best)
                    run.population(((i, -rastrigin(x), [(v + BOUND) / (2 * BOUND) for v in x])
                                    for i, x in enumerate(islands[name])), name)
            time.sleep(args.pause)
    print(f"best: {best:.3f}")


if __name__ == "__main__":
    main()
