"""The same methods on real pairs: heads on what a small encoder says of each response (`rmbench model features`), which is
computed once. Where a method needs what the data lack (flips, votes, users), it is planted, and said so."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.stats import rankdata

from measure import credit, ece, interval, log_loss, macro, mean_of, spearman, wilson

SEEDS = range(3)
HEAD = ["lr=0.003", "epochs=4", "batch-size=64"]
MLP = ["reward.head={ mlp = { name = 'score' } }", "lr=0.001", "epochs=4", "batch-size=64", "head-init=inv-sqrt-d"]


class Real:
    """Vectors of the training and benchmark pairs, as files and as tables."""

    def __init__(self, bench, data, encoder, limits):
        self.bench = bench
        for name, limit in zip(("train", "bench"), limits):
            out = bench.path("vectors", f"{name}.parquet")
            if not out.exists():
                pairs = pq.read_table(f"{data}/{name}.parquet")
                if limit and limit < pairs.num_rows:
                    rng = np.random.default_rng(0)
                    pairs = pairs.take(np.sort(rng.permutation(pairs.num_rows)[:limit]))
                subset = bench.path("vectors", f"{name}-pairs.parquet")
                pq.write_table(pairs, subset)
                bench.run("model", "features", subset, "--model", encoder, "--out", out, "--dtype", "bf16",
                          "--set", "reward.pooling=mean", "--set", "text.max-length=128")
                subset.unlink()
        self.train, self.test = (bench.path("vectors", f"{name}.parquet") for name in ("train", "bench"))
        self.table, self.bench_table = pq.read_table(self.train), pq.read_table(self.test)
        self.table = scaled(self.table, self.table)
        self.bench_table = scaled(self.bench_table, pq.read_table(self.train))
        self.test = self.write("bench-scaled", self.bench_table)
        self.data = self.write("train-scaled", self.table)

    def write(self, name, table):
        path = self.bench.path("vectors", f"{name}.parquet")
        pq.write_table(table, path)
        return path

    def runs(self, study, methods, data, test=None, seeds=SEEDS, model="init:embeddings"):
        """Score tables of every method over seeds."""
        return {
            name: [score for seed in seeds for score in self.bench.model(
                f"{study}-{short(name)}-{seed}", data, sets=[*sets, f"seed={seed}"], model=model,
                score=[test or self.test])]
            for name, sets in methods.items()
        }


def short(name):
    return name.replace(" ", "-").lower()


def vectors(table, name):
    """One vector per row as a matrix."""
    return table.column(name).combine_chunks().flatten().flatten().to_numpy().reshape(table.num_rows, -1)


def with_vectors(table, chosen, rejected):
    for name, values in (("chosen_embedding", chosen), ("rejected_embedding", rejected)):
        n, width = values.shape
        flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).reshape(-1))
        inner = pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32) * width), flat)
        column = pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32)), inner)
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def scaled(table, by):
    """Numbers of deviation 1, by the training vectors' mean and deviation."""
    both = np.concatenate([vectors(by, "chosen_embedding"), vectors(by, "rejected_embedding")])
    mean, deviation = both.mean(0), both.std(0) + 1e-6
    sides = [(vectors(table, f"{side}_embedding") - mean) / deviation for side in ("chosen", "rejected")]
    return with_vectors(table, *sides)


def compare(of, names, runs, n=None):
    found = interval([of], [runs[name] for name in names], replicates=n)
    return {**dict(zip(names, found)), "difference": found[-1]}


def robust(real):
    """30 % of the labels of real pairs are flipped; a head of two layers can follow them."""
    flips = "sampling.label-noise=0.3"
    methods = {"plain": [*MLP, "epochs=6", flips], "robust": [*MLP, "epochs=6", flips, "objective.name=bt-robust", "objective.flip-rate=0.3"]}
    runs = real.runs("robust", methods, real.data)
    return {what: compare(mean_of(of), list(methods), runs) for what, of in (("accuracy", credit), ("log loss", log_loss))}


def more(real):
    """The data's own subsets are the sources; calibration on the benchmark's subsets, all counted alike."""
    methods = {"mixing": [*HEAD, "batch-size=512"], "MORE": [*HEAD, "batch-size=512", "objective.name=more"]}
    runs = real.runs("more", methods, real.data)
    categories = dict(zip(zip(real.bench_table["id"].to_pylist(), real.bench_table["language"].to_pylist()),
                          real.bench_table["category"].to_pylist()))
    groups = [categories[key] for key in runs["mixing"][0].keys()]
    measures = {"ECE": ece, "ECE, mean of categories": macro(ece, groups), "accuracy": mean_of(credit)}
    return {what: compare(of, list(methods), runs, 500) for what, of in measures.items()}


def margins(real):
    """No votes in these data, but human ratings: their ranks within a subset stand for shares of ten votes."""
    def voted(table):
        table = table.filter(pc.is_valid(table["margin"]))
        margin, subset = np.array(table["margin"].to_pylist()), np.array(table["subset"].to_pylist())
        share = np.zeros(len(margin))
        for name in np.unique(subset):
            mine = subset == name
            share[mine] = (rankdata(margin[mine]) - 0.5) / mine.sum()
        votes = np.round(10 * (0.5 + 0.5 * share)).clip(6, 10)
        for name, values in (("n_votes_a", votes), ("n_votes_b", 10 - votes)):
            table = table.append_column(name, pa.array(values))
        return table, share

    train, _ = voted(real.table)
    test, share = voted(real.bench_table)
    methods = {"without margins": HEAD, "with margins": [*HEAD, "objective.name=bt-votes", "objective.margin-scale=2.0"]}
    runs = real.runs("margins", methods, real.write("train-voted", train), real.write("bench-voted", test))
    of = dict(zip(zip(test["id"].to_pylist(), test["language"].to_pylist()), share))
    against = np.array([of[key] for key in runs["with margins"][0].keys()])
    measures = {"rank correlation": (spearman(against), 500), "accuracy": (mean_of(credit), None)}
    return {what: compare(statistic, list(methods), runs, n) for what, (statistic, n) in measures.items()}


def pmp(real):
    """Heads trained first on all pairs with 30 % of the labels flipped, then on a few clean ones."""
    rng = np.random.default_rng(1)
    sources = sorted(set(real.table["source_id"].to_pylist()))
    clean = set(rng.permutation(sources)[: len(sources) // 4])
    is_clean = np.array([source in clean for source in real.table["source_id"].to_pylist()])
    real.bench.model("pmp-noisy", real.write("train-noisy", real.table.filter(pa.array(~is_clean))),
                     sets=[*HEAD, "sampling.label-noise=0.3"])
    pool, result = real.table.filter(pa.array(is_clean)), {}
    for n in (100, 300, 1000, 3000):
        if n > pool.num_rows:
            continue
        data = real.write(f"train-clean-{n}", pool.take(rng.permutation(pool.num_rows)[:n]))
        few = ["lr=0.001", "max-steps=100", "batch-size=64"]
        runs = {
            "directly": real.runs(f"pmp-{n}", {"directly": few}, data)["directly"],
            "after pre-training": real.runs(f"pmp-{n}", {"after": few}, data,
                                            model=real.bench.path("models", "pmp-noisy"))["after"],
        }
        result[f"accuracy, {n} pairs"] = compare(mean_of(credit), list(runs), runs)
    return result


def dial(real):
    """Labels in English alone; the critic sees what the last layer of a head of two layers reads."""
    methods = {"source only": [*MLP, "source.langs=en"],
               "DIAL": [*MLP, "objective.name=dial", "objective.source-langs=en", "objective.weight=0.1", "batch-size=384", "epochs=4"]}
    runs = real.runs("dial", methods, real.data)
    away = {name: [run.where(lambda key, row: key[1] != "eng_Latn") for run in of] for name, of in runs.items()}
    return {"target accuracy": compare(mean_of(credit), list(methods), away)}


def pal(real):
    """Users are planted: half of forty want what the data say, half the opposite."""
    rng = np.random.default_rng(2)
    table = real.table.take(rng.permutation(real.table.num_rows)[: min(8000, real.table.num_rows)])
    users = rng.integers(0, 40, table.num_rows)
    chosen, rejected = vectors(table, "chosen_embedding"), vectors(table, "rejected_embedding")
    other = (users % 2 == 1)[:, None]
    table = with_vectors(table, np.where(other, rejected, chosen), np.where(other, chosen, rejected))
    name = table.schema.get_field_index("user_id")
    table = table.set_column(name, "user_id", pa.array([f"user{user:02}" for user in users]))
    out = real.bench.path("models", "pal")
    data = real.write("train-users", table)
    if not (out / "pal.json").exists():
        real.bench.run("model", "pal", data, "--k", "2,1", "--out", out, "--set", "width=16", "--set", "weight-decay=0.01")
    record = json.loads((out / "pal.json").read_text())
    shares = {int(user[4:]): share for user, share in record["shares"].items()}
    first = {user: share[0] > share[1] for user, share in shares.items()}
    agreed = sum(first[user] == (user % 2 == 0) for user in first)
    agreed = max(agreed, len(first) - agreed)
    as_found = lambda e: {"point": e["point"], "low": e["interval"]["low"], "high": e["interval"]["high"], "n": e["n"]}
    by_k = {trial["k"]: trial for trial in record["trials"]}
    result = {"users in their group": {"two prototypes": wilson(agreed, len(first))}}
    result["accuracy, known users"] = {f"{k} prototypes": as_found(trial["seen"]) for k, trial in sorted(by_k.items())}
    for at, shots in enumerate(by_k[2]["unseen"]):
        if shots["accuracy"]:
            result[f"accuracy, new users after {shots['pairs']} pairs"] = {
                f"{k} prototypes": as_found(trial["unseen"][at]["accuracy"]) for k, trial in sorted(by_k.items())}
    return result


LANGUAGES = ["eng_Latn", "zho_Hans", "deu_Latn"]


def merge(real):
    """One head per language, their average (heads brought to one scale), and one head of all: by language and category."""
    names = [language[:3] for language in LANGUAGES]
    table = real.table.filter(pc.is_in(real.table["language"], pa.array(LANGUAGES)))
    test = real.write("bench-merge", real.bench_table.filter(pc.is_in(real.bench_table["language"], pa.array(LANGUAGES))))
    data, runs = real.write("train-merge", table), {}
    runs["mixed"] = real.runs("merge", {"mixed": HEAD}, data, test)["mixed"]
    pool = real.write("merge-pool", table.take(np.random.default_rng(3).permutation(table.num_rows)[:1000]))
    runs["merged"] = []
    for seed in SEEDS:
        for language, name in zip(LANGUAGES, names):
            real.bench.model(f"merge-{name}-{seed}", data, sets=[*HEAD, f"source.langs={language}", f"seed={seed}"])
        out = real.bench.path("models", f"merge-merged-{seed}")
        if not out.exists():
            parts = [real.bench.path("models", f"merge-{name}-{seed}") for name in names]
            real.bench.run("merge", *parts, "--match-heads", pool, "--out", out)
        runs["merged"].append(real.bench.score(f"merge-merged-{seed}", out, test))
    category = dict(zip(zip(real.bench_table["id"].to_pylist(), real.bench_table["language"].to_pylist()),
                        real.bench_table["category"].to_pylist()))
    cells = [("all", "all")] + [(l, "all") for l in LANGUAGES] + [("all", c) for c in sorted(set(category.values()))]
    cells += [(l, c) for l in LANGUAGES for c in sorted(set(category.values()))]
    result = {}
    for language, wanted in cells:
        holds = lambda key, row: language in ("all", key[1]) and wanted in ("all", category[key])
        some = {name: [run.where(holds) for run in of] for name, of in runs.items()}
        if len(some["mixed"][0].rows) >= 30:
            result[f"accuracy, {language}, {wanted}"] = compare(mean_of(credit), ["mixed", "merged"], some)
    return result


STUDIES = {"robust": robust, "more": more, "margins": margins, "pmp": pmp, "dial": dial, "pal": pal, "merge": merge}
