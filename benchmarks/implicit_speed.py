"""Times `rmbench score --compat rewardbench` of a policy and its reference beside RewardBench's own DPO inference.

Random qwen3-shaped language models with vocabularies of 16,000 and 150,000 entries (tied embeddings), invented pairs as
long as RewardBench's (prompts of 250 tokens, responses of 350), f32. The peer is `rewardbench/dpo.py` of an installed
rewardbench, driven as its `scripts/run_dpo.py` drives it. A time is reported only where both gave the same scores: within
1e-4 (relative above 1, beside the rounding of the peer's sums in f32), no pair decided otherwise. Runs alternate; each is a process of its own, so that peaks of memory are
its own (with interpreter and libraries). Clocks: wall from the first text read to the last score, and processor seconds of
the whole process less those of a run over one pair.

Batches of the peer: 6 pairs, as run_dpo.py's, and 2 with the large vocabulary, of which 6 take more than 24 GB.

Run:  python benchmarks/implicit_speed.py target/debug/rmbench [--pairs 12] [--rounds 3] [--threads 2] [--batch N] [--clock cpu]
      [--work DIR]
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "benchmarks/score_speed"), str(ROOT / "tests/reference")]
TOLERANCE = 1e-4
VOCABULARIES = {"16k": 16_000, "150k": 150_000}
# (least ratio of speed, largest ratio of peak memory) that is wanted.
GOALS = {"16k": (2.2, 0.5), "150k": (3.0, 0.5)}
# 6 is scripts/run_dpo.py's default.
BATCHES = {"16k": 6, "150k": 2}


def draw(directory, vocab):
    """A policy and a reference of 12 M parameters beside their embeddings."""
    import math

    import torch
    from checkpoints import LONGEST, byte_level
    from transformers import AutoModelForCausalLM, Qwen3Config

    tokenizer = byte_level()
    config = Qwen3Config(
        vocab_size=vocab, hidden_size=384, num_hidden_layers=6, num_attention_heads=6, num_key_value_heads=3, head_dim=64,
        intermediate_size=1152, max_position_embeddings=LONGEST, tie_word_embeddings=True, rope_theta=1e6, use_cache=False,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id)
    for seed, part in enumerate(("policy", "reference")):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in sorted(model.named_parameters()):
                if parameter.dim() == 2:
                    std = 0.1 if "embed" in name else 1 / math.sqrt(parameter.shape[1])
                    parameter.copy_(std * torch.randn(parameter.shape, generator=generator))
        model.save_pretrained(directory / part)
        tokenizer.save_pretrained(directory / part)


def invent(path, n, tokenizer):
    import random

    import pyarrow as pa
    import pyarrow.parquet as pq
    from texts import PROFILES, Inventor

    profile, inventor, dice = PROFILES["rewardbench"], Inventor(seed=5), random.Random(6)
    count = lambda text: len(tokenizer(text)["input_ids"])
    length = lambda of: max(8, round(of[0] * dice.lognormvariate(0, of[1])))
    text = lambda of: inventor.text(length(of), count)
    rows = [{"id": f"i{i}", "language": "eng_Latn", "prompt": text(profile.prompt), "chosen": text(profile.response),
             "rejected": text(profile.response)} for i in range(n)]
    pq.write_table(pa.Table.from_pylist(rows), path)


def peer(directory, pairs, threads, size):
    """RewardBench's side, in a process of its own: prints seconds and scores as JSON."""
    import pyarrow.parquet as pq
    import torch
    from rewardbench_dpo import collated, dpo_module, load, prepared, tokenizer_of
    from types import SimpleNamespace

    torch.set_num_threads(threads)
    rows = pq.read_table(pairs, columns=["prompt", "chosen", "rejected"]).to_pylist()
    tokenizer = tokenizer_of(directory / "policy")
    policy, reference = load(directory / "policy"), load(directory / "reference")
    inference = dpo_module().DPOInference(
        policy, reference, tokenizer, SimpleNamespace(device=torch.device("cpu")), ref_free_norm="none")
    began, scores = time.perf_counter(), []
    made = [inference.tokenize_row(prepared(tokenizer, *row.values())) for row in rows]
    for first in range(0, len(made), size):
        with torch.no_grad():
            sides = inference.inference_step(collated(made[first : first + size], tokenizer.pad_token_id))
        scores += [list(pair) for pair in zip(*(side.float().tolist() for side in sides))]
    print(json.dumps({"seconds": time.perf_counter() - began, "scores": scores}))


def high_water(pid):
    """Peak resident bytes of a process that runs; 0 when it has just ended."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def measured(command, threads):
    """Output, processor seconds and peak bytes of a process."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        # Not ru_maxrss: of a process that was started from this one it includes what this one holds.
        peak, ended = 0, 0
        while not ended:
            peak = max(peak, high_water(process.pid))
            time.sleep(0.02)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        texts = [file.seek(0) or file.read().decode() for file in (out, err)]
    assert status == 0, texts[1][-3000:]
    return texts, usage.ru_utime + usage.ru_stime, peak


def ours(binary, directory, pairs, threads, work):
    import pyarrow.parquet as pq

    out = Path(tempfile.mkdtemp(dir=work)) / "run"
    command = [binary, "score", "--model", directory / "policy", "--reference", directory / "reference", "--compat",
               "rewardbench", "--pairs", pairs, "--out", out, "--set", "device=cpu"]
    (_, said), cpu, peak = measured([str(part) for part in command], threads)
    table = pq.read_table(out / "scores.parquet", columns=["reward", "logp_policy", "logp_reference"]).to_pydict()
    rewards = table["reward"]
    size = [abs(a) + abs(b) for a, b in zip(table["logp_policy"], table["logp_reference"])]
    seconds = float(re.search(r"scoring took ([\d.]+) s", said)[1])
    by_two = lambda values: [values[i : i + 2] for i in range(0, len(values), 2)]
    return {"seconds": seconds, "cpu": cpu, "peak": peak, "scores": by_two(rewards), "size": by_two(size)}


def theirs(directory, pairs, threads, size):
    command = [sys.executable, __file__, "--peer", directory, pairs, "--threads", str(threads), "--batch", str(size)]
    (said, _), cpu, peak = measured([str(part) for part in command], threads)
    return {"cpu": cpu, "peak": peak} | json.loads(said.strip().splitlines()[-1])


def largest_difference(ours, theirs):
    """Beyond what rounding costs the peer, which adds up hundreds of log-probabilities in f32: one unit in the last place of
    the policy's sum and of the reference's."""
    a, b = ours["scores"], theirs["scores"]
    assert len(a) == len(b) and [p[0] > p[1] for p in a] == [p[0] > p[1] for p in b], "pairs are decided otherwise"
    flat = zip(*(sum(side, []) for side in (a, b, ours["size"])))
    return max(max(0.0, abs(x - y) - 2**-23 * size) / max(1.0, abs(y)) for x, y, size in flat)


def compare(name, args, work):
    from transformers import AutoTokenizer

    directory, batch = work / name, args.batch or BATCHES[name]
    if not (directory / "reference/tokenizer.json").is_file():
        draw(directory, VOCABULARIES[name])
    pairs, one = work / f"pairs-{args.pairs}.parquet", work / "pairs-1.parquet"
    for path, n in ((pairs, args.pairs), (one, 1)):
        if not path.is_file():
            invent(path, n, AutoTokenizer.from_pretrained(directory / "policy"))
    sides = {"ours": lambda data: ours(args.binary, directory, data, args.threads, work),
             "RewardBench": lambda data: theirs(directory, data, args.threads, batch)}
    found = {side: [] for side in sides}
    for _ in range(args.rounds):
        for side, run in sides.items():
            start = run(one)
            found[side].append(run(pairs) | {"start": start["cpu"]})
    difference = max(largest_difference(a, b) for a, b in zip(found["ours"], found["RewardBench"]))
    assert difference <= TOLERANCE, f"{name}: scores differ by {difference:.1e}; no time is reported"
    row = {"vocabulary": name, "pairs": args.pairs, "rounds": args.rounds, "batch": batch, "difference": difference}
    for side, runs in found.items():
        row[side] = {"wall_s": statistics.median(run["seconds"] for run in runs),
                     "cpu_s": statistics.median(run["cpu"] - run["start"] for run in runs),
                     "peak_mb": statistics.median(run["peak"] for run in runs) / 1e6}
    of = lambda key: row["RewardBench"][key] / row["ours"][key]
    row |= {"speed_wall": of("wall_s"), "speed_cpu": of("cpu_s"), "memory": 1 / of("peak_mb")}
    return row


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", nargs="?", type=lambda path: Path(path).resolve())
    parser.add_argument("--peer", nargs=2, type=Path)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, help="pairs of the peer's batches")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="which ratio of times is held against the goal")
    parser.add_argument("--only", choices=VOCABULARIES)
    parser.add_argument("--work", type=Path)
    args = parser.parse_args()
    if args.peer:
        return peer(*args.peer, args.threads, args.batch)
    with tempfile.TemporaryDirectory() as scratch:
        work = args.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        rows = [compare(name, args, work) for name in VOCABULARIES if args.only in (None, name)]
    print(json.dumps({"machine": platform.processor() or platform.machine(), "threads": args.threads, "rows": rows}, indent=1))
    failed = False
    for row in rows:
        speed, memory = GOALS[row["vocabulary"]]
        print("{vocabulary}: n {pairs}, {rounds} rounds, scores within {difference:.1e}; speed x{speed_wall:.2f} wall, "
              "x{speed_cpu:.2f} processor (goal {goal}), peak memory x{memory:.2f} (goal {most})".format(
                  **row, goal=speed, most=memory))
        failed |= row[f"speed_{args.clock}"] < speed or row["memory"] > memory
    sys.exit(failed)


if __name__ == "__main__":
    main()
