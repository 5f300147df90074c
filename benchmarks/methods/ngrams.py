"""Real pairs as the character n-grams of each response: a signal of content that needs no model. What is fitted (which n-grams,
their weights, scales) is fitted on the pairs that are learnt from, and none of it sees which response was chosen.

The pairs of train.parquet are split by source item, all languages of an item on one side: three fifths to learn from, a fifth to
choose settings on, a fifth that is reported on. Pairs of translations are left out: their n-grams say nothing of which one is
better (50 to 53 % on the pairs for choosing)."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize

from vectors import Pairs, scaled, with_column, with_vectors

BUCKETS, WIDTH, GRAMS, CHARACTERS, LEFT_OUT = 2**18, 768, (1, 4), 1500, "Translation"
COMMON = ["batch-size=128", "keep-checkpoints=0", "tensorboard=false"]
DEEP = [*COMMON, "reward.head={ mlp = { name = 'score' } }", "head-init=inv-sqrt-d"]


def options(base, *settings):
    return [[*base, f"lr={lr}", f"epochs={n}"] for lr, n in settings]


class Ngrams(Pairs):
    kind, seeds, first_seed = "ngrams", range(3), 100
    linear = options(COMMON, (0.0003, 6), (0.001, 2))
    deep = options(DEEP, (0.0003, 1), (0.0003, 3), (0.001, 1), (0.001, 3))
    few, scales = (100, 1000), [2.0]
    candidates = {
        "robust": options(DEEP, (0.0003, 1), (0.0003, 3)), "margins": linear, "pmp-first": [[*COMMON, "lr=0.001", "epochs=2"]], "dial": deep,
        "merge": linear, "more": options([*COMMON, "batch-size=512"], (0.0003, 6), (0.001, 2)),
        "pmp": [[*COMMON, "batch-size=64", "max-steps=60", f"lr={lr}"] for lr in (0.0001, 0.001)],
    }
    adapted = [[f"objective.weight={weight}"] for weight in (0.003, 0.03)]

    def __init__(self, bench, data):
        parts = [bench.path(self.kind, f"{name}.parquet") for name in ("learn", "choose", "report")]
        if not all(part.exists() for part in parts):
            for table, part in zip(vectorised(pq.read_table(f"{data}/train.parquet")), parts):
                pq.write_table(table, part)
        learn, choose, report = (pq.read_table(part) for part in parts)
        super().__init__(bench, scaled(learn, learn), scaled(report, learn), scaled(choose, learn))
        category = self.table["category"]
        self.grouped = self.write("train-by-category", with_column(self.table, "subset", category))


def part_of(source):
    """0 to learn from, 1 to choose on, 2 to report on."""
    share = int.from_bytes(hashlib.sha256(f"part {source}".encode()).digest()[:8], "little") / 2**64
    return int(share >= 0.6) + int(share >= 0.8)


def vectorised(pairs):
    """The three parts with their vectors."""
    pairs = pairs.filter(pc.not_equal(pairs["category"], LEFT_OUT))
    parts = np.array([part_of(source) for source in pairs["id"].to_pylist()])
    hashing = HashingVectorizer(analyzer="char", ngram_range=GRAMS, n_features=BUCKETS, alternate_sign=False, norm=None)
    sides = []
    for side in ("chosen", "rejected"):
        texts = [text[:CHARACTERS] for text in pairs[side].to_pylist()]
        counts = hashing.transform(texts)
        counts.data = 1.0 + np.log(counts.data)
        sides.append((counts, np.log1p([len(text) for text in pairs[side].to_pylist()])))
    learn = parts == 0
    n = 2 * learn.sum()
    seen = sum(np.asarray((counts[learn] > 0).sum(0)).ravel() for counts, _ in sides)
    weights = np.log((1.0 + n) / (1.0 + seen)) + 1.0
    weighed = [normalize(counts.multiply(weights).tocsr()) for counts, _ in sides]
    # The n-grams in which the two responses of a pair differ most; which of them was chosen does not matter.
    difference = (weighed[0] - weighed[1])[learn]
    spread = np.asarray(difference.multiply(difference).sum(0)).ravel()
    kept = np.sort(np.argsort(-spread, kind="stable")[: WIDTH - 1])
    dense = [np.column_stack([side[:, kept].toarray(), length]) for side, (_, length) in zip(weighed, sides)]
    table = pairs.select(["id", "language", "category", "subset", "margin"])
    table = table.append_column("source_id", pairs["id"]).append_column("user_id", pa.nulls(pairs.num_rows, pa.string()))
    table = with_vectors(table, *dense)
    return [table.filter(pa.array(parts == part)) for part in range(3)]
