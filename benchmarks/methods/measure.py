"""What the studies of methods measure, with intervals: runs of rmbench, its score tables, and a bootstrap that draws
sources (all languages of an item together) and seeds anew."""

import json
import pathlib
import subprocess

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import rankdata

REPLICATES = 2000


class Bench:
    """Where the program is and where its runs go."""

    def __init__(self, binary, out):
        self.binary, self.out, self.commands = str(pathlib.Path(binary).resolve()), pathlib.Path(out).resolve(), []
        self.out.mkdir(parents=True, exist_ok=True)

    def path(self, *parts):
        path = self.out.joinpath(*map(str, parts))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def run(self, *args):
        """One command; what is already complete is left alone."""
        args = [str(arg) for arg in args]
        if args[0] in ("train", "score") and "--out" in args:
            out = pathlib.Path(args[args.index("--out") + 1])
            if (out / "run.json").exists() or any(out.glob("*.parquet")):
                return ""
        self.commands.append(" ".join(args))
        done = subprocess.run([self.binary, *args], capture_output=True, text=True, cwd=self.out)
        if done.returncode != 0:
            raise SystemExit(f"rmbench {' '.join(args)}\n{done.stderr}")
        return done.stdout

    def model(self, name, data, *more, sets=(), model="init:embeddings", score=()):
        """Trains a model and scores it on files; returns the score tables in their order."""
        out = self.path("models", name)
        flags = [flag for value in sets for flag in ("--set", value)]
        files = [flag for file in ([data] if not isinstance(data, (list, tuple)) else data) for flag in ("--data", file)]
        self.run("train", *files, "--model", model, "--out", out, *flags, *more)
        return [self.score(name, out, pairs) for pairs in score]

    def score(self, name, model, pairs):
        run = self.path("scores", f"{name}+{pathlib.Path(pairs).stem}")
        self.run("score", "--model", model, "--pairs", pairs, "--out", run)
        return Scores.read(run)


class Scores:
    """Margins (chosen minus rejected) of a run by item, in the order of keys."""

    def __init__(self, rows):
        self.rows = dict(sorted(rows.items()))

    @classmethod
    def read(cls, run):
        tables = [pq.read_table(path).to_pylist() for path in sorted(pathlib.Path(run).glob("**/*.parquet"))]
        sides = {}
        for row in (row for table in tables for row in table if "reward" in row):
            key = (row["item_id"], row["lang"])
            side = sides.setdefault(key, {"source": row["source_id"], "subset": row["subset"]})
            side[row["role"]] = row["reward"]
        return cls({key: (s["chosen"] - s["rejected"], s["source"], s["subset"]) for key, s in sides.items()})

    def keys(self):
        return list(self.rows)

    def margins(self):
        return np.array([margin for margin, _, _ in self.rows.values()])

    def sources(self):
        return [source for _, source, _ in self.rows.values()]

    def subsets(self):
        return [subset for _, _, subset in self.rows.values()]

    def where(self, holds):
        return Scores({key: row for key, row in self.rows.items() if holds(key, row)})


def credit(margins):
    return np.where(margins > 0, 1.0, np.where(margins < 0, 0.0, 0.5))


def log_loss(margins):
    return np.logaddexp(0.0, -margins)


def draws(sources, n_seeds, key=0):
    """Weights of items and of seeds, one pair per replicate; the first replicate is the data as they are."""
    rng = np.random.default_rng(key)
    names, index = np.unique(sources, return_inverse=True)
    yield np.ones(len(index)), np.ones(n_seeds) / n_seeds
    for _ in range(REPLICATES):
        clusters = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        seeds = np.bincount(rng.integers(0, n_seeds, n_seeds), minlength=n_seeds)
        yield clusters[index].astype(float), seeds / n_seeds


def estimate(statistic, runs, key=0, replicates=None):
    """Point, interval and n of `statistic(margins of a run, weights of items)`, the mean over a list of runs (seeds)."""
    return interval([statistic], [runs], key, replicates)[0]


def interval(statistics, several, key=0, replicates=None):
    """The same for several lists of runs on the same items, and last the difference of the first two."""
    sources, n_seeds = several[0][0].sources(), len(several[0])
    margins = [[run.margins() for run in runs] for runs in several]
    statistics = statistics * len(several) if len(statistics) == 1 else statistics
    found = []
    for number, (items, seeds) in enumerate(draws(sources, n_seeds, key)):
        if replicates is not None and number > replicates:
            break
        values = [
            sum(w * statistic(m, items) for w, m in zip(seeds, of_run) if w > 0)
            for statistic, of_run in zip(statistics, margins)
        ]
        found.append(values + [values[1] - values[0]] if len(values) > 1 else values)
    found = np.array(found)
    low, high = np.nanquantile(found[1:], [0.025, 0.975], axis=0)
    return [
        {"point": float(p), "low": float(l), "high": float(h), "n": len(sources), "seeds": n_seeds}
        for p, l, h in zip(found[0], low, high)
    ]


def mean_of(values):
    """A weighted mean over items of a function of margins."""
    return lambda margins, weights: float(np.average(values(margins), weights=weights))


def ece(margins, weights, bins=10):
    """Expected calibration error of sigma(|margin|) as the chance of being right, in even bins from 1/2 to 1."""
    confidence = 1.0 / (1.0 + np.exp(-np.abs(margins)))
    index = np.minimum(((confidence - 0.5) * 2 * bins).astype(int), bins - 1)
    total = lambda values: np.bincount(index, weights * values, bins)
    return float(np.abs(total(credit(margins)) - total(confidence)).sum() / weights.sum())


def macro(statistic, groups):
    """The mean of a statistic over groups of items."""
    groups = np.asarray(groups)
    names = np.unique(groups)
    masks = [groups == name for name in names]

    def of(margins, weights):
        values = [statistic(margins[m], weights[m]) for m in masks if weights[m].sum() > 0]
        return float(np.mean(values))

    return of


def spearman(against):
    """Rank correlation of margins with numbers of the items; weights are counts."""

    def of(margins, weights):
        index = np.repeat(np.arange(len(margins)), weights.astype(int))
        return float(np.corrcoef(rankdata(margins[index]), rankdata(against[index]))[0, 1])

    return of


def wilson(hits, n):
    """A share with its 95 % interval of Wilson's."""
    z, p = 1.959964, hits / n
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return {"point": p, "low": float(low), "high": float(high), "n": n}


def words(found, scale=100.0, digits=1):
    """`61.2 [58.0, 64.1]`."""
    number = lambda x: f"{scale * x:.{digits}f}"
    if not np.isfinite(found["low"]):
        return f"{number(found['point'])} (too few for an interval)"
    return f"{number(found['point'])} [{number(found['low'])}, {number(found['high'])}]"


def write_rows(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return path
