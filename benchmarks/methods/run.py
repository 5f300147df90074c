"""Do methods do what their papers say? On invented data with known truth, and on real pairs where it can be seen.

    python benchmarks/methods/run.py --binary target/debug/rmbench --out DIR [--data DIR [--encoder DIR]] [--only NAME...]

`--data` is a directory with train.parquet and bench.parquet (pairs by language, with category, subset and margin): studies on
character n-grams (`ngrams.robust`), whose settings are chosen on pairs of their own. With `--encoder`, a small encoder's checkpoint, also
studies on what that says (`real.robust`), with fixed settings. Writes DIR/methods.json and DIR/methods.md; finished runs are not
repeated. Intervals are 95 %: 2,000 replicates (500 or 1,000 where said below) that resample source items and seeds.
"""

import argparse
import json
import pathlib
import time

import invented
import real
from encoder import Encoder
from measure import Bench, words
from ngrams import Ngrams

UNSAID = ("keep-checkpoints", "tensorboard", "head-init", "reward.head", "sampling.label-noise", "objective.source-langs", "source.langs")
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


def as_choices(chosen):
    """Which settings were chosen, among how many, and what they and the others gave on the pairs for choosing."""
    lines = ["| study | method | settings | tried | on the pairs for choosing (best; others) |", "|---|---|---|--:|---|"]
    for study, methods in chosen.items():
        for method, found in methods.items():
            settings = " ".join(value for value in found["settings"] if value.split("=")[0] not in UNSAID)
            others = " ".join(f"{x:.3f}" for x in reversed(found["others"][:-1]))
            lines.append(f"| {study} | {method} | {settings} | {found['tried']} | {found['validation']:.3f}; {others} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/debug/rmbench")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--encoder", type=pathlib.Path)
    parser.add_argument("--limit", type=int, nargs=2, default=(0, 0), help="training and benchmark pairs, drawn once; 0: all")
    parser.add_argument("--only", nargs="*", help="studies by name, as in invented.robust or ngrams.dial")
    args = parser.parse_args()
    bench = Bench(args.binary, args.out)
    wanted = lambda name: not args.only or name in args.only
    path = args.out / "methods.json"
    settings = args.out / "chosen.json"
    results, chosen = (json.loads(file.read_text()) if file.exists() else {} for file in (path, settings))
    any_of = lambda kind: any(wanted(f"{kind}.{name}") for name in real.STUDIES)

    def run(kind, studies, given):
        for name, study in studies.items():
            if not wanted(f"{kind}.{name}"):
                continue
            began = time.time()
            results.setdefault(kind, {})[name] = study(given)
            chosen.update({f"{kind}.{study}": of for study, of in getattr(given, "chosen", {}).items()})
            print(f"{kind}.{name}: {time.time() - began:.0f} s", flush=True)
            path.write_text(json.dumps(results, indent=1) + "\n")
            settings.write_text(json.dumps(chosen, indent=1) + "\n")
            (args.out / "methods.md").write_text(as_markdown(results) + "\n" + as_choices(chosen))

    run("invented", invented.STUDIES, bench)
    if args.data and args.encoder and any_of("real"):
        run("real", real.STUDIES, Encoder(bench, args.data.resolve(), args.encoder.resolve(), args.limit))
    if args.data and any_of("ngrams"):
        run("ngrams", real.STUDIES, Ngrams(bench, args.data.resolve()))
    print(as_markdown(results) + "\n" + as_choices(chosen))


if __name__ == "__main__":
    main()
