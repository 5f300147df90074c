"""Do methods do what their papers say? On invented data with known truth, and on real pairs where it can be seen.

    python benchmarks/methods/run.py --binary target/debug/rmbench --out DIR [--data DIR --encoder DIR] [--only NAME...]

`--data` is a directory with train.parquet and bench.parquet (pairs by language, with category, subset and margin), `--encoder`
a small encoder's checkpoint. Writes DIR/methods.json and DIR/methods.md; finished runs are not repeated. Intervals are
95 %: 2,000 replicates (500 or 1,000 where said below) that resample source items and seeds.
"""

import argparse
import json
import pathlib
import time

import invented
import real
from measure import Bench, words

SCALE = {"log loss": (1, 3), "rank correlation": (1, 3)}  # by the beginning of a measure's name


def rows(results):
    for kind, studies in results.items():
        for study, measures in studies.items():
            for measure, found in measures.items():
                scale, digits = SCALE.get(measure.split(",")[0], (100, 1))
                yield kind, study, measure, {name: (words(e, scale, digits), e) for name, e in found.items()}


def as_markdown(results):
    lines = ["| data | method | measure (%, where not said) | figures | difference | n | seeds |", "|---|---|---|---|--:|--:|--:|"]
    for kind, study, measure, found in rows(results):
        difference = found.pop("difference", ("", {}))[0]
        n = next(iter(found.values()))[1].get("n", "")
        seeds = next(iter(found.values()))[1].get("seeds", 1)
        figures = "; ".join(f"{name} {text}" for name, (text, _) in found.items())
        lines.append(f"| {kind} | {study} | {measure} | {figures} | {difference} | {n:,} | {seeds} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/debug/rmbench")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--encoder", type=pathlib.Path)
    parser.add_argument("--limit", type=int, nargs=2, default=(0, 0), help="training and benchmark pairs, drawn once; 0: all")
    parser.add_argument("--only", nargs="*", help="studies by name, as in invented.robust or real.dial")
    args = parser.parse_args()
    bench = Bench(args.binary, args.out)
    wanted = lambda name: not args.only or name in args.only
    path = args.out / "methods.json"
    results = json.loads(path.read_text()) if path.exists() else {}

    def run(kind, studies, given):
        for name, study in studies.items():
            if not wanted(f"{kind}.{name}"):
                continue
            began = time.time()
            found = study(given)
            results.setdefault(kind, {})[name] = found
            print(f"{kind}.{name}: {time.time() - began:.0f} s", flush=True)
            path.write_text(json.dumps(results, indent=1) + "\n")
            (args.out / "methods.md").write_text(as_markdown(results))

    run("invented", invented.STUDIES, bench)
    if args.data and args.encoder and any(wanted(f"real.{name}") for name in real.STUDIES):
        run("real", real.STUDIES, real.Real(bench, args.data.resolve(), args.encoder.resolve(), args.limit))
    print(as_markdown(results))


if __name__ == "__main__":
    main()
