"""Real pairs as what a small encoder says of each response (`rmbench model features`), which is computed once. Its settings
were not chosen: each study has one."""

import numpy as np
import pyarrow.parquet as pq

from vectors import Pairs, scaled

HEAD = ["lr=0.003", "epochs=4", "batch-size=64"]
MLP = ["reward.head={ mlp = { name = 'score' } }", "lr=0.001", "epochs=4", "batch-size=64", "head-init=inv-sqrt-d"]


class Encoder(Pairs):
    kind, seeds = "vectors", range(3)
    candidates = {
        "robust": [[*MLP, "epochs=6"]], "more": [[*HEAD, "batch-size=512"]], "margins": [HEAD], "pmp-first": [HEAD],
        "pmp": [["lr=0.001", "max-steps=100", "batch-size=64"]], "dial": [MLP], "merge": [HEAD],
    }
    adapted, scales, few = [["objective.weight=0.1"]], [2.0], (100, 300, 1000, 3000)

    def __init__(self, bench, data, encoder, limits):
        tables = []
        for name, limit in zip(("train", "bench"), limits):
            out = bench.path(self.kind, f"{name}.parquet")
            if not out.exists():
                pairs = pq.read_table(f"{data}/{name}.parquet")
                if limit and limit < pairs.num_rows:
                    rng = np.random.default_rng(0)
                    pairs = pairs.take(np.sort(rng.permutation(pairs.num_rows)[:limit]))
                subset = bench.path(self.kind, f"{name}-pairs.parquet")
                pq.write_table(pairs, subset)
                bench.run("model", "features", subset, "--model", encoder, "--out", out, "--dtype", "bf16",
                          "--set", "reward.pooling=mean", "--set", "text.max-length=128")
                subset.unlink()
            tables.append(pq.read_table(out))
        super().__init__(bench, *(scaled(table, tables[0]) for table in tables))
        self.grouped = self.data
