"""Times `rmbench score` beside its peers, alternating, and writes what it found to benchmarks/results/.

Usage: python run.py --binary target/debug/rmbench [--threads 2] [--rounds 3] [--work DIR] [--only TEXT]

In f32 a time is reported only where all programs gave the same scores; in bf16 the distance of each from transformers'
f32 scores stands beside the times. See ../README.md for what each column means.
"""

import argparse
import datetime
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

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
from transformers import AutoTokenizer

import checkpoints
import flops
import texts

HERE = Path(__file__).resolve().parent
N_ITEMS = {"short": 96, "rewardbench": 16, "best-of-4": 4}
CASES = [(m, p, d) for m in checkpoints.MODELS for p in texts.PROFILES for d in ("f32", "bf16")]
# Best of 4 is about shared prompts, which encoders cannot share.
CASES = [case for case in CASES if case[:2] != ("xlm-roberta", "best-of-4")]
F32_TOLERANCE = 1e-4
# (model, profile, dtype) → the least ratio to (RewardBench's loop, sorted transformers) that is wanted.
GOALS = {("qwen3", "rewardbench", "f32"): (2.2, 1.3), ("xlm-roberta", "rewardbench", "f32"): (2.2, 1.3),
         ("qwen3", "rewardbench", "bf16"): (4, None), ("xlm-roberta", "rewardbench", "bf16"): (4, None),
         ("qwen3", "best-of-4", "f32"): (3, None), ("qwen3", "best-of-4", "bf16"): (6, None)}


def gemm_rate(dtype, threads, clock):
    """FLOP/s of the matrix product that the models do most, [1024, 512] by [512, 1536]: median of 7."""
    torch.set_num_threads(threads)
    now = {"wall": time.perf_counter, "cpu": time.process_time}[clock]
    a, b = torch.randn(1024, 512, dtype=dtype), torch.randn(1536, 512, dtype=dtype)
    rates = []
    for _ in range(7):
        began, n = now(), 0
        while now() - began < 0.15:
            torch.nn.functional.linear(a, b)
            n += 1
        rates.append(2 * 1024 * 512 * 1536 * n / (now() - began))
    return statistics.median(rates)


def write_pairs(path, items):
    one = all(len(item["responses"]) == 2 for item in items)
    rest = [item["responses"][1] if one else item["responses"][1:] for item in items]
    first = [item["responses"][0] if one else item["responses"][:1] for item in items]
    columns = {"id": [i["id"] for i in items], "language": ["eng_Latn"] * len(items),
               "prompt": [i["prompt"] for i in items], "chosen": first, "rejected": rest}
    pq.write_table(pa.table(columns), path)


def rendered(tokenizer, items):
    """The strings that both sides tokenise."""
    if tokenizer.chat_template is None:
        return [[item["prompt"] + response for response in item["responses"]] for item in items]
    def chat(prompt, response):
        turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
        return tokenizer.apply_chat_template(turns, tokenize=False)
    return [[chat(item["prompt"], response) for response in item["responses"]] for item in items]


def measured(command, environment):
    """Standard output and error, wall and CPU seconds."""
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    after, seconds = os.times(), time.perf_counter() - began
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr[-3000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return done.stdout, done.stderr, seconds, cpu


class Case:
    def __init__(self, args, work, model, profile, dtype):
        self.args, self.model, self.profile, self.dtype = args, model, profile, dtype
        self.directory = work / model
        self.config = checkpoints.make(model, self.directory)["config"]
        tokenizer = AutoTokenizer.from_pretrained(self.directory)
        count = lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
        n_items = max(1, round(N_ITEMS[profile] * args.fraction))
        items = texts.comparisons(texts.PROFILES[profile], n_items, 5, count, checkpoints.LONGEST - 100)
        # Nothing to compute: what is left is the start.
        self.one = work / "one.parquet"
        write_pairs(self.one, [{"id": "one", "prompt": "a", "responses": ["b", "c"]}])
        self.pairs, self.texts = work / f"{model}-{profile}.parquet", work / f"{model}-{profile}.json"
        write_pairs(self.pairs, items)
        strings = rendered(tokenizer, items)
        self.texts.write_text(json.dumps(strings))
        self.ids = [tokenizer(item)["input_ids"] for item in strings]
        self.work = work
        self.environment = dict(os.environ, OMP_NUM_THREADS=str(args.threads), RMBENCH_NO_CUDA="1",
                                CUDA_VISIBLE_DEVICES="", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="true")

    def ours(self):
        run = self.score(self.pairs)
        if self.args.clock == "cpu":
            start = self.score(self.one)["cpu_seconds"]
            run.update(seconds=run["cpu_seconds"] - start, start_seconds=start)
        table = pq.read_table(run["out"] + "/scores.parquet").to_pandas().groupby("item_id", sort=False, observed=True)
        n_tokens = [list(group["n_tokens"]) for _, group in table]
        if n_tokens != [[len(ids) for ids in item] for item in self.ids]:
            raise SystemExit("rmbench and the peers see other tokens")
        return dict(run, scores=[list(group["reward"]) for _, group in table])

    def score(self, pairs):
        out = tempfile.mkdtemp(dir=self.work) + "/run"
        command = [self.args.binary, "score", "--model", str(self.directory), "--pairs", str(pairs), "--out", out,
                   "--set", "device=cpu", "--set", f"dtype={self.dtype}"]
        if self.model == "xlm-roberta":
            command += ["--set", "text.append-eos=false"]
        _, stderr, wall, cpu = measured(command, self.environment)
        found = re.search(r"scoring took ([\d.]+) s", stderr)
        if not found:
            raise SystemExit(f"rmbench did not say how long scoring took:\n{stderr}")
        seconds = float(found[1])
        return {"seconds": seconds, "cpu_seconds": cpu, "start_seconds": wall - seconds, "out": out}

    def peer(self, how, dtype=None):
        side = "left" if flops.is_causal(self.config) else "right"
        command = [sys.executable, str(HERE / "peers.py"), "--model", str(self.directory), "--texts", str(self.texts),
                   "--how", how, "--side", side, "--dtype", dtype or self.dtype, "--threads", str(self.args.threads)]
        stdout, _, wall, _ = measured(command, self.environment)
        result = json.loads(stdout.splitlines()[-1])
        if self.args.clock == "cpu":
            result["seconds"] = result["cpu_seconds"]
        return dict(result, start_seconds=wall - result["seconds"])

    def trees(self):
        trees = []
        for item in self.ids:
            prefix = len(os.path.commonprefix(item)) if flops.is_causal(self.config) else 0
            prefix = min(prefix, min(map(len, item)) - 1)
            trees.append((prefix, [len(ids) - prefix for ids in item]))
        return trees

    def padded_flops(self, how):
        """Of the batches that the peer makes."""
        lengths = [len(ids) for item in self.ids for ids in item]
        batches = []
        if how == "rewardbench" and all(len(item) == 2 for item in self.ids):
            for first in range(0, len(self.ids), 8):
                batch = self.ids[first : first + 8]
                batches += [[len(item[side]) for item in batch] for side in (0, 1)]
        elif how == "rewardbench":
            batches = [lengths[first : first + 8] for first in range(0, len(lengths), 8)]
        else:
            lengths.sort(reverse=True)
            while lengths:
                n = max(1, 4096 // lengths[0])
                batches.append(lengths[:n])
                lengths = lengths[n:]
        tokens = sum(len(batch) * max(batch) for batch in batches)
        squares = sum(len(batch) * max(batch) ** 2 for batch in batches)
        return flops.padded(self.config, tokens, squares)

    def run(self, rates):
        programs = {"rmbench": self.ours, "rewardbench": lambda: self.peer("rewardbench"), "sorted": lambda: self.peer("sorted")}
        runs = {name: [] for name in programs}
        for _ in range(self.args.rounds):
            for name, program in programs.items():
                runs[name].append(program())
        if self.dtype == "f32":
            self.reference_file().write_text(json.dumps(runs["sorted"][0]["scores"]))
        agreement = self.agreement({name: done[0]["scores"] for name, done in runs.items()})
        median = {name: statistics.median(run["seconds"] for run in done) for name, done in runs.items()}
        spread = {name: [min(run["seconds"] for run in done), max(run["seconds"] for run in done)] for name, done in runs.items()}
        useful = flops.ours(self.config, self.trees())
        result = {"model": self.model, "profile": self.profile, "dtype": self.dtype, "items": len(self.ids),
                  "tokens": sum(len(ids) for item in self.ids for ids in item), "seconds": median, "spread": spread,
                  "start_seconds": {n: statistics.median(r["start_seconds"] for r in d) for n, d in runs.items()},
                  "cpu_seconds": {n: statistics.median(r["cpu_seconds"] for r in d) for n, d in runs.items()},
                  "agreement": agreement, "useful_flops": useful, "useful_rate": useful / median["rmbench"],
                  "gemm_rate": rates[self.dtype]}
        for name in ("rewardbench", "sorted"):
            bound, ratio = self.padded_flops(name) / useful, median[name] / median["rmbench"]
            result[name] = {"ratio": ratio, "bound": bound, "share": ratio / bound}
        return result

    def reference_file(self):
        return self.work / f"{self.model}-{self.profile}-{len(self.ids)}-f32-scores.json"

    def reference(self):
        """transformers' scores in f32, sorted."""
        path = self.reference_file()
        if not path.is_file():
            path.write_text(json.dumps(self.peer("sorted", "f32")["scores"]))
        return json.loads(path.read_text())

    def agreement(self, scores):
        """Distance of every program's scores from transformers' in f32, and items that are decided otherwise."""
        exact = self.reference()
        flat = lambda scores: [score for item in scores for score in item]
        order = lambda scores: scores.index(max(scores)) if len(scores) > 2 else scores[0] > scores[1]
        found = {"standard_deviation": statistics.pstdev(flat(exact))}
        for name, given in scores.items():
            errors = [a - b for a, b in zip(flat(given), flat(exact))]
            found[name] = {"largest": max(map(abs, errors)), "root_mean_square": statistics.fmean(e * e for e in errors) ** 0.5,
                           "flips": sum(order(a) != order(b) for a, b in zip(given, exact))}
        worst = max(found[name]["root_mean_square"] for name in ("rewardbench", "sorted"))
        if self.dtype == "f32":
            found["agrees"] = all(found[name]["largest"] <= F32_TOLERANCE and not found[name]["flips"] for name in scores)
        else:
            found["agrees"] = found["rmbench"]["root_mean_square"] <= worst
        return found


def machine():
    names = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    flags = re.search(r"flags\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    known = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flags and flag in flags[1].split()]
    return {"cpu": names[0] if names else platform.processor(), "cores": os.cpu_count(), "flags": known, "load": os.getloadavg()[0]}


def row(r):
    known = r["agreement"]["agrees"] or r["dtype"] != "f32"
    ratio = lambda name: f"{r[name]['ratio']:.2f} ({r[name]['bound']:.2f}, {r[name]['share']:.2f})" if known else "scores differ"
    s, names = r["seconds"], ("rmbench", "rewardbench", "sorted")
    errors = ", ".join(f"{r['agreement'][name]['root_mean_square']:.1e}" for name in names)
    flips = ", ".join(str(r["agreement"][name]["flips"]) for name in names)
    return (
        f"| {r['model']} | {r['profile']} | {r['dtype']} | {s['rmbench']:.2f} | {s['rewardbench']:.2f} | {s['sorted']:.2f} | "
        f"{ratio('rewardbench')} | {ratio('sorted')} | {r['useful_rate'] / 1e9:.0f} ({100 * r['useful_rate'] / r['gemm_rate']:.0f} %) | "
        f"{r['cpu_seconds']['rmbench']:.1f} | {errors}{'' if r['agreement']['agrees'] else ' (!)'} | {flips} |")


def table(report):
    lines = [
        f"# Scoring speed, {report['date']}", "",
        f"{report['machine']['cpu']}, {report['machine']['cores']} cores ({', '.join(report['machine']['flags'])}), "
        f"{report['threads']} threads, {report['rounds']} alternating rounds, medians, {report['clock']} seconds; load before the first: "
        f"{report['machine']['load']:.1f}. {report['versions']}. Matrix products on the same machine before the runs: "
        f"f32 {report['gemm']['f32'] / 1e9:.0f}, bf16 {report['gemm']['bf16'] / 1e9:.0f} GFLOP/s.", "",
        "| model | profile | dtype | rmbench s | RewardBench's loop s | sorted transformers s | × loop (bound, share) | × sorted (bound, share) | useful GFLOP/s (of GEMM) | CPU s of rmbench | distance from f32: ours, loop, sorted | flips |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [row(r) for r in report["cases"]]
    lines += ["", "Distance: root mean square over all scores from those of transformers in f32; `(!)` where ours is larger than "
              "both others' (bf16), or some score is off by more than 1e-4 (f32).", ""]
    lines += goals(report)
    return "\n".join(lines) + "\n"


def goals(report):
    """What is wanted, and what was found."""
    lines = ["| wanted | found | |", "|---|--:|---|"]
    say = lambda what, found, least: lines.append(f"| {what} ≥ {least} | {found:.2f} | {'met' if found >= least else 'not met'} |")
    ours = {}
    for r in report["cases"]:
        key = (r["model"], r["profile"], r["dtype"])
        ours[key] = r["seconds"]["rmbench"]
        of_loop, of_sorted = GOALS.get(key, (None, None))
        name = " ".join(key)
        if of_loop:
            say(f"{name}: × RewardBench's loop", r["rewardbench"]["ratio"], of_loop)
        if of_sorted:
            say(f"{name}: × sorted transformers", r["sorted"]["ratio"], of_sorted)
        say(f"{name}: share of the bound to the loop", r["rewardbench"]["share"], 0.9)
        say(f"{name}: useful FLOP/s of GEMM", r["useful_rate"] / r["gemm_rate"], 0.75)
    for (model, profile, dtype), seconds in ours.items():
        if dtype == "bf16" and (model, profile, "f32") in ours:
            say(f"{model} {profile}: bf16 over our f32", ours[model, profile, "f32"] / seconds, 1.6)
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", default=None)
    parser.add_argument("--fraction", type=float, default=1.0, help="of the items of every profile")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall",
                        help="cpu: seconds of the processor, with one thread, where other programs want the cores")
    parser.add_argument("--results", default=str(HERE.parent / "results"))
    parser.add_argument("--only", default="", help="cases whose 'model profile dtype' contains one of these, separated by commas")
    args = parser.parse_args()
    work = Path(args.work or tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    if args.clock == "cpu" and args.threads != 1:
        raise SystemExit("--clock cpu needs --threads 1: threads that wait for each other spin")
    rates = {"f32": gemm_rate(torch.float32, args.threads, args.clock), "bf16": gemm_rate(torch.bfloat16, args.threads, args.clock)}
    version = subprocess.run([args.binary, "--version"], capture_output=True, text=True).stdout.strip()
    report = {"date": datetime.date.today().isoformat(), "machine": machine(), "threads": args.threads, "rounds": args.rounds, "clock": args.clock,
              "versions": f"{version}, torch {torch.__version__}, transformers {transformers.__version__}", "gemm": rates, "cases": []}
    results = Path(args.results)
    results.mkdir(parents=True, exist_ok=True)
    name = f"score_speed-{report['date']}"
    wanted = [case for only in args.only.split(",") for case in CASES if only in " ".join(case)]
    for case in dict.fromkeys(wanted):
        report["cases"].append(Case(args, work, *case).run(rates))
        print(row(report["cases"][-1]), flush=True)
        # After every case: a run that is cut short leaves what it found.
        (results / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
        (results / f"{name}.md").write_text(table(report))


if __name__ == "__main__":
    main()
