"""The same bootstrap in NumPy and in pandas: 25 runs × 23 languages × M-RewardBench's 23 subsets.

numpy: the best we could write, the same matrix product. Per subset, resampling weights [replicates × sources]
times right answers [sources × (run, language)] in float32 with all BLAS threads; then weighted categories, scores
and the average over languages, and percentile intervals of all of them.
pandas: what analysis scripts do. Per replicate, draw source ids per subset, take their rows, group by, average.
It is run for a few replicates and its time is multiplied; the output says so.

    python benchmarks/bootstrap_peers.py [--replicates 10000] [--pandas-replicates 3]
"""

import argparse
import json
import resource
import time

import numpy as np

RUNS, LANGUAGES = 25, 23
# Items and weights of M-RewardBench's subsets, by category.
CATEGORIES = {
    "Chat": [(79, 79), (79, 79), (76, 76), (24, 24), (38, 38)],
    "Chat Hard": [(35, 35), (76, 76), (124, 124), (87, 87), (42, 42), (43, 43)],
    "Safety": [(100, 100), (100, 100), (154, 154), (247, 247), (135, 135)],
    "Reasoning": [(447, 983), (164, 164), (164, 164), (164, 164), (164, 164), (164, 164), (163, 163)],
}
SIZES = [n for subsets in CATEGORIES.values() for n, _ in subsets]


def answers(rng):
    """By subset: right or wrong, [sources, runs, languages]."""
    out = []
    for n in SIZES:
        difficulty = rng.normal(size=(n, 1, 1))
        ability = np.linspace(0.4, 1.4, RUNS)[None, :, None]
        out.append((difficulty + ability + rng.normal(size=(n, RUNS, LANGUAGES)) > 0).astype(np.float32))
    return out


def with_numpy(right, replicates, rng):
    columns = RUNS * LANGUAGES
    scores = np.empty((4 + 1, replicates, columns), dtype=np.float32)
    at = 0
    for c, subsets in enumerate(CATEGORIES.values()):
        total = sum(weight for _, weight in subsets)
        scores[c] = 0
        for n, weight in subsets:
            weights = rng.multinomial(n, np.full(n, 1 / n), size=replicates).astype(np.float32)
            scores[c] += (weight / total / n) * (weights @ right[at].reshape(n, columns))
            at += 1
    scores[4] = scores[:4].mean(axis=0)
    by_language = scores.reshape(5, replicates, RUNS, LANGUAGES)
    average = by_language.mean(axis=3)
    low_high = [np.percentile(by_language, [2.5, 97.5], axis=1), np.percentile(average, [2.5, 97.5], axis=1)]
    return sum(x.size for x in low_high) // 2


def with_pandas(right, replicates, rng):
    import pandas as pd

    frames = []
    for subset, values in enumerate(right):
        n = len(values)
        source, run, language = np.meshgrid(np.arange(n), np.arange(RUNS), np.arange(LANGUAGES), indexing="ij")
        frames.append(pd.DataFrame({"subset": subset, "source": source.ravel(), "run": run.ravel(),
                                    "language": language.ravel(), "right": values.ravel()}))
    rows = pd.concat(frames, ignore_index=True)
    by_source = {key: frame for key, frame in rows.groupby("subset")}
    weights = pd.DataFrame([(c, w) for c, subsets in CATEGORIES.items() for _, w in subsets],
                           columns=["category", "weight"])
    out = []
    for _ in range(replicates):
        drawn = []
        for subset, n in enumerate(SIZES):
            # Rows of a source are neighbours: this is faster than a merge.
            take = (rng.integers(0, n, size=n)[:, None] * (RUNS * LANGUAGES) + np.arange(RUNS * LANGUAGES)).ravel()
            drawn.append(by_source[subset].iloc[take])
        accuracy = pd.concat(drawn).groupby(["run", "language", "subset"])["right"].mean().reset_index()
        accuracy = accuracy.join(weights, on="subset")
        accuracy["product"] = accuracy["right"] * accuracy["weight"]
        sums = accuracy.groupby(["run", "language", "category"])[["product", "weight"]].sum()
        category = sums["product"] / sums["weight"]
        score = category.groupby(["run", "language"]).mean()
        out.append((category, score, score.groupby("run").mean()))
    return len(out)


def timed(function, *arguments):
    begin, cpu = time.perf_counter(), time.process_time()
    result = function(*arguments)
    return time.perf_counter() - begin, time.process_time() - cpu, result


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--replicates", type=int, default=10_000)
    parser.add_argument("--pandas-replicates", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    right = answers(rng)
    wall, cpu, numbers = timed(with_numpy, right, options.replicates, rng)
    print(json.dumps({"who": "numpy", "wall": wall, "cpu": cpu, "intervals": numbers, "replicates": options.replicates,
                      "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "version": np.__version__}),
          flush=True)
    if options.pandas_replicates:
        import pandas as pd

        wall, cpu, n = timed(with_pandas, right, options.pandas_replicates, rng)
        scale = options.replicates / n
        print(json.dumps({"who": "pandas", "wall": wall * scale, "cpu": cpu * scale, "measured_replicates": n,
                          "replicates": options.replicates, "version": pd.__version__}))
