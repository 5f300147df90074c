"""Accuracies of the WMT23 metrics in the developers' data -> tests/fixtures/wmt23_accuracy.csv

Usage: wmt23_accuracy.py DATA
DATA: directory with wmt23_qe_scores.parquet. Per model and subset: pairs, strictly right ones, exact ties.
"""

import pathlib
import sys

import polars

scores = polars.read_parquet(pathlib.Path(sys.argv[1]) / "wmt23_qe_scores.parquet")
chosen, rejected = polars.col("score_chosen"), polars.col("score_rejected")
counts = (
    scores.group_by("model", "subset")
    .agg(polars.len().alias("n"), (chosen > rejected).sum().alias("right"), (chosen == rejected).sum().alias("ties"))
    .sort("model", "subset")
)
counts.write_csv(pathlib.Path(__file__).parent.parent / "fixtures/wmt23_accuracy.csv")
