"""The same methods on real pairs as vectors (`encoder`, `ngrams`). Where a method needs what the data lack (flips, votes,
users), it is planted, and said so."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import rankdata

from measure import credit, ece, interval, log_loss, macro, mean_of, spearman, wilson
from vectors import vectors, with_column, with_vectors

LATIN = "Latin script"


def compare(of, names, runs, n=None):
    found = interval([of], [runs[name] for name in names], replicates=n)
    return {**dict(zip(names, found)), "difference": found[-1]}


def robust(real):
    """30 % of the labels of real pairs are flipped; a head of two layers can follow them."""
    flips = "sampling.label-noise=0.3"
    runs = real.runs("robust", {"plain": [[flips]], "robust": [[flips, "objective.name=bt-robust", "objective.flip-rate=0.3"]]})
    return {what: compare(mean_of(of), list(runs), runs) for what, of in (("accuracy", credit), ("log loss", log_loss))}


def more(real):
    """Sources are the data's own subsets, or their categories; calibration also as the mean over categories."""
    runs = real.runs("more", {"mixing": [[]], "MORE": [["objective.name=more"]]}, make=real.train(real.grouped),
                     good=lambda margins: -log_loss(margins))
    categories = real.column("category")
    groups = [categories[key] for key in runs["mixing"][0].keys()]
    measures = {"ECE": ece, "ECE, mean of categories": macro(ece, groups), "log loss": mean_of(log_loss), "accuracy": mean_of(credit)}
    return {what: compare(of, list(runs), runs, 500) for what, of in measures.items()}


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
    test, share = voted(real.held)
    check = None if real.valid is None else real.write("valid-voted", voted(real.valid)[0])
    scales = [["objective.name=bt-votes", f"objective.margin-scale={scale}"] for scale in real.scales]
    runs = real.runs("margins", {"without margins": [[]], "with margins": scales}, check=check,
                     make=real.train(real.write("train-voted", train)), test=real.write("bench-voted", test))
    of = dict(zip(zip(test["id"].to_pylist(), test["language"].to_pylist()), share))
    against = np.array([of[key] for key in runs["with margins"][0].keys()])
    measures = {"rank correlation": (spearman(against), 500), "accuracy": (mean_of(credit), None)}
    return {what: compare(statistic, list(runs), runs, n) for what, (statistic, n) in measures.items()}


def pmp(real):
    """Heads trained first on three quarters of the sources with 30 % of the labels flipped, then on a few clean pairs of others."""
    rng = np.random.default_rng(1)
    sources = sorted(set(real.table["source_id"].to_pylist()))
    clean = set(rng.permutation(sources)[: len(sources) // 4])
    is_clean = np.array([source in clean for source in real.table["source_id"].to_pylist()])
    first = real.train(real.write("train-noisy", real.table.filter(pa.array(~is_clean))))(
        f"{real.kind}-pmp-noisy", [*real.candidates["pmp-first"][0], "sampling.label-noise=0.3"])
    pool, result = real.table.filter(pa.array(is_clean)), {}
    for n in (n for n in real.few if n <= pool.num_rows):
        data = real.write(f"train-clean-{n}", pool.take(rng.permutation(pool.num_rows)[:n]))
        runs = {**real.runs("pmp", {f"directly, {n}": [[]]}, make=real.train(data)),
                **real.runs("pmp", {f"after pre-training, {n}": [[]]}, make=real.train(data, first))}
        runs = {name.split(",")[0]: of for name, of in runs.items()}
        result[f"accuracy, {n} pairs"] = compare(mean_of(credit), list(runs), runs)
    return result


def dial(real):
    """Labels in English alone, beside as many pairs of other languages without theirs; the critic sees what the last layer of a head
    of two layers reads. A batch has as many labels for either method."""
    english = np.array(real.table["language"].to_pylist()) == "eng_Latn"
    others = np.random.default_rng(4).permutation(np.flatnonzero(~english))[: english.sum()]
    both = real.write("train-shifted", real.table.take(np.sort(np.concatenate([np.flatnonzero(english), others]))))
    size = int(next(value for value in real.candidates["dial"][0] if value.startswith("batch-size=")).split("=")[1])
    adapted = [["objective.name=dial", "objective.source-langs=en", f"batch-size={2 * size}", *more] for more in real.adapted]
    runs = real.runs("dial", {"source only": [["source.langs=en"]], "DIAL": adapted}, make=real.train(both),
                     keep=lambda key, row: key[1] != "eng_Latn")
    result = {"target accuracy": compare(mean_of(credit), list(runs), runs)}
    latin = {name: [run.where(lambda key, row: key[1].endswith("_Latn")) for run in of] for name, of in runs.items()}
    result[f"target accuracy, {LATIN}"] = compare(mean_of(credit), list(runs), latin)
    return result


def pal(real):
    """Users are planted: half of forty want what the data say, half the opposite. Then languages in the place of users: nothing is
    planted, and more prototypes help where languages want different things."""
    rng = np.random.default_rng(2)
    table = real.table.take(rng.permutation(real.table.num_rows)[: min(8000, real.table.num_rows)])
    users = rng.integers(0, 40, table.num_rows)
    chosen, rejected = vectors(table, "chosen_embedding"), vectors(table, "rejected_embedding")
    other = (users % 2 == 1)[:, None]
    planted = with_vectors(table, np.where(other, rejected, chosen), np.where(other, chosen, rejected))
    planted = with_column(planted, "user_id", pa.array([f"user{user:02}" for user in users]))
    record = fitted(real, "users", planted, "2,1")
    shares = {int(user[4:]): share for user, share in record["shares"].items()}
    first = {user: share[0] > share[1] for user, share in shares.items()}
    agreed = sum(first[user] == (user % 2 == 0) for user in first)
    agreed = max(agreed, len(first) - agreed)
    result = {"users in their group": {"two prototypes": wilson(agreed, len(first))}}
    result.update(accuracies(record, "users"))
    spoken = with_column(table, "user_id", table["language"])
    result.update(accuracies(fitted(real, "languages", spoken, "4,2,1"), "languages"))
    return result


def fitted(real, name, table, k):
    out = real.bench.path("models", f"{real.kind}-pal-{name}")
    data = real.write(f"train-{name}", table)
    if not (out / "pal.json").exists():
        real.bench.run("model", "pal", data, "--k", k, "--out", out, "--set", "width=16", "--set", "weight-decay=0.01")
    return json.loads((out / "pal.json").read_text())


def accuracies(record, name):
    ends = lambda e: e["interval"] or {"low": float("nan"), "high": float("nan")}
    as_found = lambda e: {"point": e["point"], "low": ends(e)["low"], "high": ends(e)["high"], "n": e["n"]}
    by_k = {trial["k"]: trial for trial in record["trials"]}
    title = lambda k: f"{k} prototype{'s' if k > 1 else ''}"
    result = {f"accuracy, known {name}": {title(k): as_found(trial["seen"]) for k, trial in sorted(by_k.items()) if trial["seen"]}}
    for at, shots in enumerate(by_k[2]["unseen"]):
        found = {title(k): as_found(trial["unseen"][at]["accuracy"]) for k, trial in sorted(by_k.items())
                 if trial["unseen"][at]["accuracy"]}
        if found:
            result[f"accuracy, new {name} after {shots['pairs']} pairs"] = found
    return result


LANGUAGES = ["eng_Latn", "zho_Hans", "deu_Latn"]


def merge(real):
    """One head per language, their average (heads brought to one scale), and one head of all: by language and category."""
    some = lambda table: table.filter(pc.is_in(table["language"], pa.array(LANGUAGES)))
    table = some(real.table)
    data, test = real.write("train-merge", table), real.write("bench-merge", some(real.held))
    check = None if real.valid is None else real.write("valid-merge", some(real.valid))
    pool = real.write("merge-pool", table.take(np.random.default_rng(3).permutation(table.num_rows)[:1000]))

    def merged(name, settings):
        parts = [real.train(data)(f"{name}-{language[:3]}", [*settings, f"source.langs={language}"]) for language in LANGUAGES]
        out = real.bench.path("models", name)
        if not out.exists():
            real.bench.run("merge", *parts, "--match-heads", pool, "--out", out)
        return out

    runs = {**real.runs("merge", {"mixed": [[]]}, make=real.train(data), test=test, check=check),
            **real.runs("merge", {"merged": [[]]}, make=merged, test=test, check=check)}
    category = real.column("category")
    cells = [("all", "all")] + [(l, "all") for l in LANGUAGES] + [("all", c) for c in sorted(set(category.values()))]
    cells += [(l, c) for l in LANGUAGES for c in sorted(set(category.values()))]
    result = {}
    for language, wanted in cells:
        holds = lambda key, row: language in ("all", key[1]) and wanted in ("all", category[key])
        few = {name: [run.where(holds) for run in of] for name, of in runs.items()}
        if len(few["mixed"][0].rows) >= 30:
            result[f"accuracy, {language}, {wanted}"] = compare(mean_of(credit), ["mixed", "merged"], few)
    return result


STUDIES = {"robust": robust, "more": more, "margins": margins, "pmp": pmp, "dial": dial, "pal": pal, "merge": merge}
