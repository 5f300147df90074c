"""Peak memory of `rmbench score` on 1,000 and on 100,000 pairs: does it grow with the data?

Invented pairs of the same lengths (Parquet, row groups of 4,096), a tiny model, so that hardly anything but the data could
take memory. Prints both peaks and their ratio; exit code 1 where it is above 1.1.

Run:  python benchmarks/score_memory.py target/debug/rmbench [DIRECTORY for scratch] [--pairs N]
Needs pyarrow.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "tests/fixtures/arch/qwen3"
MB = 1 << 20
LIMIT = 1.1


def build(path, n):
    """In a process of its own: a child's peak begins with its parent's."""
    sys.path.insert(0, str(ROOT / "benchmarks/score_speed"))
    import pyarrow as pa
    import pyarrow.parquet as pq
    from texts import Inventor

    inventor, dice = Inventor(seed=8, n_words=2000), random.Random(9)
    sentences = [inventor.sentence() for _ in range(5000)]

    def text(most):
        return " ".join(dice.choices(sentences, k=dice.randint(1, most)))

    pairs = [{"id": f"item-{i:07d}", "language": "eng_Latn", "prompt": text(2), "chosen": text(3), "rejected": text(3)}
             for i in range(n)]
    pq.write_table(pa.Table.from_pylist(pairs), path, row_group_size=4096, compression="zstd")


def run(binary, pairs, out):
    command = [binary, "score", "--model", str(MODEL), "--pairs", str(pairs), "--out", str(out), "--set", "device=cpu",
               "--set", "text.max-length=128"]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, error
    return usage.ru_maxrss * 1024, time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("directory", nargs="?")
    parser.add_argument("--pairs", type=int, default=100_000, help="of the larger run")
    args = parser.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory(dir=args.directory) as scratch:
        for n in (1000, args.pairs):
            pairs = Path(scratch) / f"{n}.parquet"
            subprocess.run([sys.executable, __file__, "--build", pairs, str(n)], check=True)
            peak, seconds = run(os.path.abspath(args.binary), pairs, Path(scratch) / f"run-{n}")
            peaks.append(peak)
            print(f"{n} pairs: peak {peak / MB:.1f} MB, {seconds:.1f} s", flush=True)
    ratio = peaks[1] / peaks[0]
    print(f"ratio {ratio:.3f}, at most {LIMIT} is wanted")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        build(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(main())
