"""Scores candidates in Docker sandboxes that are never left behind, whatever happens to this program.

    python3 sandboxes.py --image IMAGE -- COMMAND...

`evotel labels` says whose the sandboxes are. While this runs, `evotel sandboxes` calls them live. Kill it (kill -9) and
they are orphans: the Collector removes them, and so does `evotel sandboxes --reap`. Needs the docker and evotel commands
and nothing from PyPI.
"""

import argparse
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


class Sandboxes:
    """The sandboxes of one run. All belong to this process, so its labels are asked for once."""

    def __init__(self, run_id):
        self._labels = output("evotel", "labels", "--run", run_id).split()

    def score(self, image, command):
        """Runs one candidate and returns its exit code."""
        name = f"candidate-{uuid.uuid4().hex[:12]}"
        run = ["docker", "run", "--detach", "--name", name, "--network", "none", *self._labels, image, *command]
        try:
            output(*run)
            return int(output("docker", "wait", name))
        finally:
            subprocess.run(["docker", "rm", "--force", "--volumes", name], stdout=subprocess.DEVNULL)


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--run-id", default=str(uuid.uuid4()))
    args.add_argument("--image", required=True)
    args.add_argument("--parallel", type=int, default=3)
    args.add_argument("--candidates", type=int, default=9)
    args.add_argument("command", nargs="+", help="what a sandbox runs")
    args = args.parse_args()

    sandboxes = Sandboxes(args.run_id)
    print(f"run {args.run_id}; look at it with: evotel sandboxes --run {args.run_id}", flush=True)
    with ThreadPoolExecutor(args.parallel) as pool:
        for code in pool.map(lambda _: sandboxes.score(args.image, args.command), range(args.candidates)):
            print(f"exit code {code}", flush=True)


if __name__ == "__main__":
    main()
