"""A reward head on kept features beside one epoch of TRL's RewardTrainer, on the same pairs and the same checkpoint.

Usage: python benchmarks/feature_speed.py --binary target/debug/rmbench [--model qwen3] [--pairs 256] [--steps 4] [--threads 2] [--work DIR]

TRL trains `--steps` batches of 8 as people run it (shuffled, padded, f32); its epoch is the pairs over its pairs per second (the
first step left out), an extrapolation. rmbench's first command runs the trunk once and keeps the features; the
second finds them there and trains the head for one epoch, the third for ten. What is timed is the whole command, from its start
to its end: reading and tokenising the pairs, loading the checkpoint and the digest of its weights included.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "train_speed"), str(HERE / "score_speed")]

import importlib.util  # noqa: E402


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# score_speed's run.py is what train_speed's imports as `run`.
machine = load("run", HERE / "score_speed" / "run.py").machine
sys.modules["run"] = load("run", HERE / "score_speed" / "run.py")
Case = load("train_speed_run", HERE / "train_speed" / "run.py").Case


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=Path("target/debug/rmbench"))
    parser.add_argument("--model", default="qwen3")
    parser.add_argument("--pairs", type=int, default=256)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path)
    args = parser.parse_args()
    args.binary, args.batch, args.token_budget = args.binary.resolve(), 8, 16384
    work = args.work or Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    peer_steps, args.steps = args.steps, args.pairs // args.batch
    case = Case(args, work, args.model)

    def ours(name, epochs):
        out = work / name
        command = [str(args.binary), "train", "--model", str(case.directory), "--data", str(case.lines), "--features",
                   str(work / "features"), "--out", str(out)]
        for one in (f"epochs={epochs}", "batch-size=8", "source.lang=eng_Latn", "over-length=refuse", "final-model=last"):
            command += ["--set", one]
        began = time.perf_counter()
        subprocess.run(command, env=case.environment, check=True, capture_output=True)
        return time.perf_counter() - began

    cold, warm, ten = ours("cold", 1), ours("warm", 1), ours("ten", 10)
    peer = case.peer(peer_steps, "random")
    epoch = args.pairs / case.speed(peer)
    found = {"machine": machine(), "model": args.model, "pairs": args.pairs, "threads": args.threads, "trl_steps": peer_steps,
             "trl_epoch_seconds": epoch, "features_and_head_seconds": cold, "head_seconds": warm, "ten_epochs_seconds": ten,
             "ratio": epoch / warm, "ratio_ten_epochs": epoch / ten, "ratio_with_features": epoch / cold}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
