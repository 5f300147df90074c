"""Logarithmic position buckets of DeBERTa-v2, as transformers computes them.

Writes tests/fixtures/deberta_buckets.json: for several (buckets, longest distance), the bucket of distance 0, 1, 2, ….

Run (5 s):  python tests/reference/deberta_buckets.py
"""

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

import torch  # noqa: E402
from transformers.models.deberta_v2.modeling_deberta_v2 import build_relative_position  # noqa: E402

# (position_buckets, max_relative_positions, tokens); the first is what mDeBERTa and the v2 and v3 models have.
SETTINGS = [(256, 512, 1400), (8, 32, 100), (12, 32, 100), (16, 24, 100), (7, 20, 60), (64, 4096, 700), (2, 512, 40)]


def buckets_of(buckets, longest, tokens):
    states = torch.zeros(1, tokens, 1)
    table = build_relative_position(states, states, bucket_size=buckets, max_position=longest)[0]
    first_column = table[:, 0]
    distances = torch.arange(tokens)
    by_distance = distances[:, None] - distances[None, :]
    # A function of the distance, odd in it: one column says all.
    assert torch.equal(table, first_column[by_distance.abs()] * by_distance.sign())
    return first_column.tolist()


if __name__ == "__main__":
    cases = [{"buckets": b, "longest": m, "bucket": buckets_of(b, m, n)} for b, m, n in SETTINGS]
    write_json(FIXTURES / "deberta_buckets.json", {"versions": versions(), "script": "tests/reference/deberta_buckets.py",
                                                   "cases": cases})
