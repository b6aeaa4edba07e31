"""Times numpy and scipy at what the diversity processor computes, on one core.

Prints a JSON object a line: name, processor seconds, value, bytes allocated.
"""
import json
import sys
import time
import tracemalloc

import numpy as np
from scipy.spatial.distance import pdist


def splitmix(n, d):
    """The numbers that the Go benchmarks take."""
    x = (np.arange(n * d, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return (x ^ x >> np.uint64(31)).reshape(n, d)


def numeric(n, d):
    return (splitmix(n, d) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def categorical(n, d):
    return (splitmix(n, d) % np.uint64(4)).astype(np.int64)


def pairs(x):
    return pdist(x, "cityblock").mean() / x.shape[1]


def sorted_gaps(x):
    """The processor's own way of the mean Manhattan distance."""
    n, d = x.shape
    k = np.arange(1, n)
    return (k * (n - k) @ np.diff(np.sort(x, axis=0), axis=0)).sum() / (n * (n - 1) / 2) / d


def hamming(x):
    return pdist(x, "hamming").mean()


def hamming_counts(x):
    n, d = x.shape
    same = sum((c * (c - 1) / 2).sum() for c in (np.bincount(column) for column in x.T))
    return 1 - same / (n * (n - 1) / 2) / d


def measures(x):
    """The six default measures."""
    n, d = x.shape
    distances = pdist(x, "cityblock") / d
    vendi_2 = n * n / (n + 2 * ((1 - distances) ** 2).sum())
    shares = np.unique(x, axis=0, return_counts=True)[1] / n
    entropy = -(shares * np.log(shares)).sum()
    polymorphic = (x.max(axis=0) != x.min(axis=0)).mean()
    return distances.mean() + 0 * (vendi_2 + len(shares) + entropy + np.exp(entropy) + polymorphic)


def measure(name, function, *arguments):
    tracemalloc.start()  # for the first call, which numpy's own allocations hardly slow down
    best, spent = float("inf"), 0.0
    while spent < 0.3:
        begin = time.process_time()
        value = function(*arguments)
        took = time.process_time() - begin
        best, spent = min(best, took), spent + took
        if tracemalloc.is_tracing():
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    print(json.dumps({"name": name, "seconds": best, "value": float(value), "bytes": peak}), flush=True)


print(json.dumps({"name": "versions", "text": f"numpy {np.__version__}, scipy {sys.modules['scipy'].__version__}"}))
for n, d in ((100, 64), (100, 768), (10_000, 768)):
    genes = numeric(n, d)
    measure(f"pairs/n={n}/d={d}", pairs, genes)
    measure(f"sorted/n={n}/d={d}", sorted_gaps, genes)
alleles = categorical(10_000, 64)
measure("hamming/n=10000/d=64", hamming, alleles)
measure("counts/n=10000/d=64", hamming_counts, alleles)
measure("measures/n=1000/d=64", measures, numeric(1000, 64))
