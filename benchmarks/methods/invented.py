"""Methods on invented data, whose truth is known: what is asked for, what comes out."""

import numpy as np

from measure import credit, ece, estimate, interval, log_loss, macro, mean_of, spearman, wilson, write_rows

SEEDS = range(5)


def pair(i, chosen, rejected, lang="eng_Latn", subset="all", **more):
    vector = lambda x: [round(float(v), 5) for v in x]
    return {"id": f"i{i}", "language": lang, "subset": subset, "category": subset,
            "chosen_embedding": vector(chosen), "rejected_embedding": vector(rejected), **more}


def compared(rng, n, width, worth, first=0, flips=0.0, noise=0.0, **more):
    """Pairs of random vectors, the one worth more chosen, but for noise (a Bradley-Terry model at 1) and a share of flips."""
    rows = []
    for i in range(first, first + n):
        a, b = rng.normal(size=(2, width))
        better = (worth(a) + noise * rng.logistic() > worth(b)) != (rng.random() < flips)
        rows.append(pair(i, *((a, b) if better else (b, a)), **more))
    return rows


def robust(bench):
    """rDPO's debiased loss on rewards under 30 % flips, with a head of two layers that can learn flips by heart: what a plain
    loss does with them, since a wrong label weighs the more the surer the model is. (A linear head cannot, and ranks pairs
    as well with either loss.)"""
    width = 32
    truth = np.random.default_rng(1).normal(size=width)
    worth = lambda x: float(x @ truth)
    test = write_rows(bench.path("robust", "test.jsonl"),
                      compared(np.random.default_rng(2), 2000, width, worth))
    runs = {"bt": [], "bt-robust": []}
    for seed in SEEDS:
        rng = np.random.default_rng(100 + seed)
        rows = compared(rng, 2000, width, worth, first=10_000, flips=0.3)
        data = write_rows(bench.path("robust", f"train-{seed}.jsonl"), rows)
        for name, more in (("bt", []), ("bt-robust", ["objective.flip-rate=0.3"])):
            sets = ["reward.head={ mlp = { name = 'score' } }", "head-init=inv-sqrt-d", "lr=0.003", "epochs=20",
                    f"seed={seed}", f"objective.name={name}", *more]
            runs[name] += bench.model(f"robust-{name}-{seed}", data, sets=sets, score=[test])
    result = {}
    for what, of in (("accuracy", credit), ("log loss", log_loss)):
        plain, ours, difference = interval([mean_of(of)], [runs["bt"], runs["bt-robust"]])
        result[what] = {"plain": plain, "robust": ours, "difference": difference}
    return result


def more(bench):
    """MORE against mixing: three sources of different sizes that share most of what they want, each with wishes of its own.
    Calibration is measured in every source, all counted alike."""
    width, sizes = 16, {"large": 6000, "middle": 400, "small": 400}
    rng = np.random.default_rng(3)
    shared = rng.normal(size=width)
    truths = {name: shared + 1.3 * rng.normal(size=width) for name in sizes}
    worth = lambda name: (lambda x: float(x @ truths[name]))
    rows = [row for k, name in enumerate(sizes) for row in
            compared(np.random.default_rng(20 + k), 2500, width, worth(name), first=10_000 * k, noise=1.0, subset=name)]
    test = write_rows(bench.path("more", "test.jsonl"), rows)
    runs = {"bt": [], "more": []}
    for seed in SEEDS:
        rows = [row for k, (name, n) in enumerate(sizes.items()) for row in
                compared(np.random.default_rng(200 + 10 * seed + k), n, width, worth(name), first=10**6 + 10_000 * k,
                         noise=1.0, subset=name)]
        data = write_rows(bench.path("more", f"train-{seed}.jsonl"), rows)
        for name in runs:
            sets = ["lr=0.01", "epochs=6", "batch-size=256", f"seed={seed}", f"objective.name={name}"]
            runs[name] += bench.model(f"more-{name}-{seed}", data, sets=sets, score=[test])
    groups = runs["bt"][0].subsets()
    result = {}
    for what, of in (("ECE", macro(ece, groups)), ("accuracy", macro(mean_of(credit), groups))):
        mixed, ours, difference = interval([of], [runs["bt"], runs["more"]], replicates=1000)
        result[what] = {"mixing": mixed, "MORE": ours, "difference": difference}
    return result


def votes(bench):
    """Margins from vote shares: three people vote on every pair, and the reward's gap should grow with the agreement of ten
    others on other pairs. With a head of two layers, which learns narrow majorities by heart; with a linear one, whose few
    weights need no such help, beside it."""
    width = 32
    truth = np.random.default_rng(4).normal(size=width) * 0.8 / width**0.5

    def voted(rng, n, first, people):
        rows, shares = [], []
        for i in range(first, first + n):
            a, b = rng.normal(size=(2, width))
            for_a = int(rng.binomial(people, 1 / (1 + np.exp(-(a - b) @ truth))))
            if 2 * for_a == people:
                continue
            (c, r), v = ((a, b), for_a) if 2 * for_a > people else ((b, a), people - for_a)
            rows.append(pair(i, c, r, n_votes_a=v, n_votes_b=people - v))
            shares.append(v / people)
        return rows, shares

    rows, _ = voted(np.random.default_rng(5), 3000, 0, 10)
    test = write_rows(bench.path("votes", "test.jsonl"), rows)
    share = {row["id"]: row["n_votes_a"] / 10 for row in rows}
    heads = {"two layers": ["reward.head={ mlp = { name = 'score' } }", "head-init=inv-sqrt-d"], "one layer": []}
    result = {}
    for head, shape in heads.items():
        runs = {"bt": [], "bt-votes": []}
        for seed in SEEDS:
            rows = voted(np.random.default_rng(300 + seed), 1000, 10**5, 3)[0]
            data = write_rows(bench.path("votes", f"train-{seed}.jsonl"), rows)
            for name, sets in (("bt", []), ("bt-votes", ["objective.margin-scale=4.0"])):
                sets = [*shape, "lr=0.003", "epochs=30", f"seed={seed}", f"objective.name={name}", *sets]
                runs[name] += bench.model(f"votes-{head[:3]}-{name}-{seed}", data, sets=sets, score=[test])
        against = np.array([share[item] for item, _ in runs["bt"][0].keys()])
        for what, of, n in ((f"rank correlation, {head}", spearman(against), 500), (f"accuracy, {head}", mean_of(credit), None)):
            plain, ours, difference = interval([of], [runs["bt"], runs["bt-votes"]], replicates=n)
            result[what] = {"without margins": plain, "with margins": ours, "difference": difference}
    return result


def pmp(bench):
    """Pre-training on many noisy pairs (30 % flips, and a truth that is only alike), then a few clean ones."""
    width = 48
    rng = np.random.default_rng(6)
    truth = rng.normal(size=width)
    alike = truth + 0.5 * rng.normal(size=width)
    test = write_rows(bench.path("pmp", "test.jsonl"),
                      compared(np.random.default_rng(7), 2000, width, lambda x: float(x @ truth)))
    noisy = write_rows(bench.path("pmp", "noisy.jsonl"), compared(
        np.random.default_rng(8), 8000, width, lambda x: float(x @ alike), first=10**6, flips=0.3))
    bench.model("pmp-first", noisy, sets=["lr=0.01", "epochs=2"])
    result = {}
    for n in (50, 100, 200, 400, 800):
        runs = {"directly": [], "after pre-training": []}
        for seed in SEEDS:
            rows = compared(np.random.default_rng(400 + seed), n, width, lambda x: float(x @ truth), first=10**5)
            data = write_rows(bench.path("pmp", f"train-{n}-{seed}.jsonl"), rows)
            sets = ["lr=0.005", "max-steps=100", "batch-size=32", f"seed={seed}"]
            for name, model in (("directly", "init:embeddings"), ("after pre-training", bench.path("models", "pmp-first"))):
                runs[name] += bench.model(f"pmp-{name.split()[0]}-{n}-{seed}", data, sets=sets, model=model, score=[test])
        a, b, difference = interval([mean_of(credit)], list(runs.values()))
        result[f"accuracy, {n} pairs"] = {"directly": a, "after pre-training": b, "difference": difference}
    return result


def words_of(rng, n, syllables):
    return ["".join(rng.choice(syllables, 3)) for _ in range(n)]


def dial(bench):
    """Two languages whose vectors share what makes responses good; beside it stand numbers that say nothing, lie near 0 in the
    language with labels and far from it, and spread, in the other. A head of two layers that was trained on the first has no
    reason to ignore them."""
    width, silent = 12, 12
    truth = np.random.default_rng(9).normal(size=width)

    def rows(rng, lang, n, first):
        found = []
        for i in range(first, first + n):
            noise = rng.normal(size=(2, silent)) * (0.1 if lang == "eng_Latn" else 1.5) + (0.0 if lang == "eng_Latn" else 2.0)
            a, b = np.concatenate([rng.normal(size=(2, width)), noise], axis=1)
            c, r = (a, b) if a[:width] @ truth > b[:width] @ truth else (b, a)
            found.append(pair(f"{lang}{i}", c, r, lang))
        return found

    test = write_rows(bench.path("dial", "test.jsonl"), rows(np.random.default_rng(20), "hin_Deva", 2000, 0))
    runs = {"source only": [], "DIAL": []}
    # The weight was chosen on seed 0 and other test pairs.
    for seed in range(1, 6):
        rng = np.random.default_rng(500 + seed)
        data = write_rows(bench.path("dial", f"train-{seed}.jsonl"),
                          rows(rng, "eng_Latn", 1500, 10_000) + rows(rng, "hin_Deva", 1500, 10_000))
        common = ["reward.head={ mlp = { name = 'score' } }", "head-init=inv-sqrt-d", "max-steps=250", "lr=0.005", f"seed={seed}"]
        for name, sets in (
            ("source only", ["source.langs=en", "batch-size=64"]),
            # Half of a batch has labels.
            ("DIAL", ["objective.name=dial", "objective.source-langs=en", "objective.weight=0.03", "objective.critic-lr=0.001",
                      "batch-size=128"]),
        ):
            runs[name] += bench.model(f"dial-{name.split()[0]}-{seed}", data, sets=[*common, *sets], score=[test])
    a, b, difference = interval([mean_of(credit)], list(runs.values()))
    return {"target accuracy": {"source only": a, "DIAL": b, "difference": difference}}


def carm(bench):
    """Contexts that reverse a preference: the same two responses, asked for twice with opposite criteria. Both have to be
    right; a model that does not see the criteria gets exactly half of the answers and none of the reversals."""
    rng = np.random.default_rng(11)
    syllables = ["ba", "do", "ki", "lu", "me", "no", "pa", "ri", "su", "te", "vo", "xa"]
    kinds = [words_of(rng, 10, syllables) for _ in range(3)]
    neutral = words_of(rng, 30, syllables)
    names = ["boats", "bread", "stars"]

    def rows(rng, n, first):
        found = []
        for i in range(first, first + n):
            one, two = rng.choice(3, 2, replace=False)
            texts = {}
            for kind in (one, two):
                said = [*rng.choice(kinds[kind], 2), *rng.choice(neutral, 4)]
                rng.shuffle(said)
                texts[kind] = " ".join(said)
            for wanted, other in ((one, two), (two, one)):
                turns = [{"role": "system", "content": f"Prefer what speaks of {names[wanted]}."},
                         {"role": "user", "content": "Tell me something."}]
                found.append({"id": f"i{i}-{wanted}", "source_id": f"i{i}", "language": "eng_Latn", "prompt": turns,
                              "chosen": texts[wanted], "rejected": texts[other]})
        return found

    asked = rows(np.random.default_rng(12), 500, 0)
    silent = [{**row, "prompt": row["prompt"][1:]} for row in asked]
    test = write_rows(bench.path("carm", "test.jsonl"), asked)
    without = write_rows(bench.path("carm", "without.jsonl"), silent)
    data = write_rows(bench.path("carm", "train.jsonl"), rows(np.random.default_rng(13), 2500, 10_000))
    sets = ["pretraining.epochs=0", "auxiliary.mismatched-share=0", "auxiliary.lm-weight=0", "dropout.token=0",
            "dropout.embedding=0", "max-steps=300", "batch-size=48", "lr=0.003", "init.initializer-range=0.06",
            "objective.name=context-bt"]
    runs, result = bench.model("carm", data, sets=sets, model="init:tiny", score=[test, without]), {}
    for name, scores in zip(("with the criteria", "the same model without them"), runs):
        by_source = {}
        for margin, source, _ in scores.rows.values():
            by_source.setdefault(source, []).append(margin > 0)
        both = [all(found) for found in by_source.values() if len(found) == 2]
        result[name] = {"reversal accuracy": wilson(sum(both), len(both)),
                        "accuracy": estimate(mean_of(credit), [scores])}
    return result


STUDIES = {"robust": robust, "more": more, "votes": votes, "pmp": pmp, "dial": dial, "carm": carm}
