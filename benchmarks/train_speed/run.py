"""Times `rmbench train` beside TRL's RewardTrainer, alternating, and writes what it found to benchmarks/results/.

Usage: python run.py --binary target/debug/rmbench [--threads 2] [--rounds 2] [--steps 6] [--work DIR] [--only TEXT]

First both train three steps on the same batches: times are reported only where losses and gradient norms agree
(1e-4 relative). Then each trains in its own order: rmbench shuffled, TRL shuffled as people run it, and TRL with batches
grouped by length. A run's speed is the pairs of all steps but the first over their seconds. Memory is the process's
peak. The bound is TRL's arithmetic (its padded batches, half of a causal mask) over ours (shared prefixes once, of the
last layer the rows that are read), both forward and backward.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
import trl
from transformers import AutoTokenizer

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "score_speed"))

import checkpoints  # noqa: E402
import flops  # noqa: E402
import texts  # noqa: E402
from run import gemm_rate, machine  # noqa: E402

AGREEMENT = 1e-4
GOALS = {"qwen3": (1.8, 1.25), "xlm-roberta": (1.2, None)}
MEMORY = 0.7


def measured(command, environment):
    """Standard output and peak memory in MB of one process."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            raise SystemExit(f"{command[0]} failed:\n{err.read().decode()[-3000:]}")
        return out.read().decode(), usage.ru_maxrss / 1000


class Case:
    def __init__(self, args, work, model):
        self.args, self.work, self.directory = args, work, work / model
        self.config = checkpoints.make(model, self.directory)["config"]
        tokenizer = AutoTokenizer.from_pretrained(self.directory)
        count = lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
        n = args.batch * args.steps
        items = texts.comparisons(texts.PROFILES["rewardbench"], n, 5, count, checkpoints.LONGEST - 100)
        rows = [{"id": i["id"], "prompt": i["prompt"], "chosen": i["responses"][0], "rejected": i["responses"][1]} for i in items]
        self.pairs, self.lines = work / f"{model}.json", work / f"{model}.jsonl"
        self.pairs.write_text(json.dumps(rows))
        self.lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.environment = dict(os.environ, OMP_NUM_THREADS=str(args.threads), RMBENCH_NO_CUDA="1", CUDA_VISIBLE_DEVICES="",
                                HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="true")

    def ours(self, steps, order="shuffled"):
        out = tempfile.mkdtemp(dir=self.work) + "/run"
        sets = [f"max-steps={steps}", f"batch-size={self.args.batch}", "lr=1e-5", "warmup-steps=0", "weight-decay=0.01", "clip=1.0",
                f"token-budget={self.args.token_budget}", f"sampling.order={order}", "source.lang=eng_Latn", "over-length=refuse",
                "final-model=last", "save-every=1000000", "source.device=cpu"]
        command = [self.args.binary, "train", "--model", str(self.directory), "--data", str(self.lines), "--out", out]
        for one in sets:
            command += ["--set", one]
        _, memory = measured(command, self.environment)
        read = lambda name: [json.loads(line) for line in open(f"{out}/{name}")]
        log, timing = read("steps.jsonl"), read("timing.jsonl")
        return {"seconds": [t["seconds"] for t in timing if "seconds" in t], "loss": [s["loss"] for s in log],
                "grad_norm": [s["grad_norm"] for s in log], "memory": memory, "share": statistics.median(t["share_of_bound"] for t in timing)}

    def peer(self, steps, order):
        command = [sys.executable, str(HERE / "peer.py"), "--model", str(self.directory), "--pairs", str(self.pairs), "--order", order,
                   "--steps", str(steps), "--batch", str(self.args.batch), "--threads", str(self.args.threads)]
        stdout, memory = measured(command, self.environment)
        return dict(json.loads(stdout.splitlines()[-1]), memory=memory)

    def bound(self, run):
        """Arithmetic of the peer's padded batches over ours for all pairs."""
        causal = flops.is_causal(self.config)
        trees = []
        for item in run["ids"]:
            prefix = min(len(os.path.commonprefix(item)) if causal else 0, min(map(len, item)) - 1)
            trees.append((prefix, [len(ids) - prefix for ids in item]))
        return flops.padded(self.config, sum(run["padded"]), sum(run["squares"])) / flops.ours(self.config, trees)

    def speed(self, run):
        return self.args.batch * (len(run["seconds"]) - 1) / sum(run["seconds"][1:])

    def run(self):
        ours, theirs = self.ours(3, "as-given"), self.peer(3, "sequential")
        apart = max(abs(a - b) / abs(b) for key in ("loss", "grad_norm") for a, b in zip(ours[key], theirs[key]))
        programs = {"rmbench": lambda: self.ours(self.args.steps), "trl": lambda: self.peer(self.args.steps, "random"),
                    "trl-grouped": lambda: self.peer(self.args.steps, "group_by_length")}
        runs = {name: [] for name in programs}
        for _ in range(self.args.rounds):
            for name, program in programs.items():
                runs[name].append(program())
        speeds = {name: [self.speed(run) for run in done] for name, done in runs.items()}
        median = {name: statistics.median(all_) for name, all_ in speeds.items()}
        memory = {name: max(run["memory"] for run in done) for name, done in runs.items()}
        result = {"model": self.config["model_type"], "pairs": self.args.batch * self.args.steps, "difference": apart, "agrees": apart <= AGREEMENT,
                  "pairs_per_second": median, "spread": {n: [min(a), max(a)] for n, a in speeds.items()}, "memory": memory,
                  "share_of_bound": statistics.median(run["share"] for run in runs["rmbench"])}
        for name in ("trl", "trl-grouped"):
            result[name] = {"ratio": median["rmbench"] / median[name], "bound": self.bound(runs[name][0]), "memory": memory["rmbench"] / memory[name]}
        return result


def table(report):
    head = report["machine"]
    lines = [
        f"# Training speed, {report['date']}", "",
        f"{head['cpu']}, {head['cores']} cores ({', '.join(head['flags'])}), {report['threads']} threads, f32, pairs like RewardBench's "
        f"(250 + 350 tokens), batches of {report['batch']}, {report['steps']} steps, {report['rounds']} alternating rounds, medians; load "
        f"before the first: {head['load']:.1f}. {report['versions']}. Matrix products: {report['gemm'] / 1e9:.0f} GFLOP/s.", "",
        "| model | largest difference of loss and gradient norm | pairs/s: rmbench | TRL shuffled | TRL by length | × TRL (bound) | × by length (bound) | of our own bound | peak MB: rmbench | TRL | TRL by length |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for r in report["cases"]:
        speed, memory = r["pairs_per_second"], r["memory"]
        ratio = lambda name: f"{r[name]['ratio']:.2f} ({r[name]['bound']:.2f})" if r["agrees"] else "losses differ"
        lines.append(
            f"| {r['model']} | {r['difference']:.1e} | {speed['rmbench']:.3f} | {speed['trl']:.3f} | {speed['trl-grouped']:.3f} | {ratio('trl')} | "
            f"{ratio('trl-grouped')} | {100 * r['share_of_bound']:.0f} % | {memory['rmbench']:.0f} | {memory['trl']:.0f} | {memory['trl-grouped']:.0f} |")
    lines += ["", "| wanted | found | |", "|---|--:|---|"]
    for r in report["cases"]:
        wanted = zip(GOALS.get(r["model"], (None, None)), ("trl", "trl-grouped"))
        for least, name in ((least, name) for least, name in wanted if least):
            lines.append(f"| {r['model']}: × {name} ≥ {least} | {r[name]['ratio']:.2f} | {'met' if r['agrees'] and r[name]['ratio'] >= least else 'not met'} |")
        lines.append(f"| {r['model']}: peak memory over TRL's ≤ {MEMORY} | {r['trl']['memory']:.2f} | {'met' if r['trl']['memory'] <= MEMORY else 'not met'} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--token-budget", type=int, default=4096)
    parser.add_argument("--work", default=None)
    parser.add_argument("--results", default=str(HERE.parent / "results"))
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    work = Path(args.work or tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([args.binary, "--version"], capture_output=True, text=True).stdout.strip()
    report = {"date": datetime.date.today().isoformat(), "machine": machine(), "threads": args.threads, "rounds": args.rounds,
              "steps": args.steps, "batch": args.batch, "gemm": gemm_rate(torch.float32, args.threads, "wall"),
              "versions": f"{version}, torch {torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}", "cases": []}
    results = Path(args.results)
    results.mkdir(parents=True, exist_ok=True)
    for model in (model for model in checkpoints.MODELS if args.only in model):
        report["cases"].append(Case(args, work, model).run())
        name = f"train_speed-{report['date']}"
        (results / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
        (results / f"{name}.md").write_text(table(report))
        print(table(report), flush=True)


if __name__ == "__main__":
    main()
