"""Counts of decisions in JudgeBench's released outputs -> tests/fixtures/judgebench_decisions.csv

Usage: judgebench_decisions.py OUTPUTS
OUTPUTS: directory with the files of ScalerLab/JudgeBench@e2c52c2 outputs/ (seven of them are whole in Git).
Rows: response model, judge, source, label, decision in the first order, decision in the second, how many pairs.
"""

import collections
import csv
import json
import pathlib
import sys

outputs = pathlib.Path(sys.argv[1])
counts = collections.Counter()
for path in sorted(outputs.glob("*.jsonl")):
    names = dict(part.split("=", 1) for part in path.stem.split(","))
    for line in path.open():
        pair = json.loads(line)
        first, second = [(judgment or {}).get("decision") or "" for judgment in pair["judgments"]]
        key = (names["response_model"], names["judge_name"], names["judge_model"], pair["source"], pair["label"], first, second)
        counts[key] += 1

target = pathlib.Path(__file__).parent.parent / "fixtures/judgebench_decisions.csv"
with target.open("w", newline="") as out:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["response_model", "judge", "judge_model", "source", "label", "first", "second", "pairs"])
    for key, n in sorted(counts.items()):
        writer.writerow([*key, n])
