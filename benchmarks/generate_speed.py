"""Times judging by `rmbench score --judge` beside transformers' `generate` on the same questions, and says how far they agree.

Usage: python benchmarks/generate_speed.py target/release/rmbench [--threads 1] [--items 24] [--new 64] [--rounds 3] [--dtype f32] [--clock cpu]

A random qwen3 model of 12 layers and width 512, questions with fixed instructions, greedy replies. transformers gets the
questions sorted by length, left-padded, 32 at a time. A ratio is given only where replies agree: the same text in f32 for all
but one in a hundred (two logits of a random model may be as close as rounding).
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "score_speed"))

import checkpoints  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import texts  # noqa: E402
import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

INSTRUCTIONS = " ".join(texts.Inventor(seed=9).sentence() for _ in range(16))
PROTOCOL = """
name = "speed"
title = "Speed"
about = "Two answers after fixed instructions."
papers = ["none"]
shows = 2

[ask]
max-tokens = {new}

[[message]]
role = "system"
text = "{instructions}"

[[message]]
role = "user"
text = "{{{{ question }}}}\\n\\nA: {{{{ responses[0] }}}}\\n\\nB: {{{{ responses[1] }}}}"

[verdict]
place = {{ delimited = {{ open = "[[", close = "]]" }} }}
meaning = {{ letter = {{}} }}
"""


def make(work, args):
    directory = work / "judge"
    tokenizer = checkpoints.byte_level()
    config = checkpoints.qwen3(tokenizer)
    config.use_cache = True
    config.initializer_range = 0.08
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    count = lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
    items = texts.comparisons(texts.PROFILES[args.profile], args.items, 5, count, 1200)
    columns = {"id": [str(i["id"]) for i in items], "language": ["eng_Latn"] * len(items),
               "prompt": [i["prompt"] for i in items], "chosen": [i["responses"][0] for i in items],
               "rejected": [i["responses"][1] for i in items]}
    pq.write_table(pa.table(columns), work / "pairs.parquet")
    (work / "speed.toml").write_text(PROTOCOL.format(new=args.new, instructions=INSTRUCTIONS))
    return directory, tokenizer, {str(i["id"]): i for i in items}


def ours(work, args, environment):
    out = work / "run"
    subprocess.run(["rm", "-rf", out], check=True)
    command = [args.binary, "score", "--model", work / "judge", "--judge", work / "speed.toml", "--pairs", work / "pairs.parquet",
               "--out", out, "--set", "device=cpu", "--set", f"dtype={args.dtype}", "--set", "endpoint.cache=off",
               "--set", "endpoint.on-failure=record"]
    before = os.times()
    done = subprocess.run([str(c) for c in command], env=environment, capture_output=True, text=True)
    after = os.times()
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    seconds = float(re.search(r"scoring took ([0-9.]+) s", done.stderr).group(1))
    if args.clock == "cpu":
        # With loading and all else.
        seconds = after.children_user + after.children_system - before.children_user - before.children_system
    rows = pq.read_table(out / "judgments.parquet").to_pylist()
    return seconds, rows


def theirs(model, tokenizer, items, rows, args):
    def rendered(row):
        item = items[row["item_id"]]
        responses = [item["responses"][slot] for slot in row["shown"]]
        content = f"{item['prompt']}\n\nA: {responses[0]}\n\nB: {responses[1]}".strip()
        turns = [{"role": "system", "content": INSTRUCTIONS.strip()}, {"role": "user", "content": content}]
        return tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]

    now = {"wall": time.perf_counter, "cpu": time.process_time}[args.clock]
    began = now()
    ids = [rendered(row) for row in rows]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    replies = [None] * len(ids)
    pad = tokenizer.pad_token_id
    for start in range(0, len(order), 32):
        batch = order[start:start + 32]
        longest = max(len(ids[i]) for i in batch)
        input_ids = torch.tensor([[pad] * (longest - len(ids[i])) + ids[i] for i in batch])
        mask = torch.tensor([[0] * (longest - len(ids[i])) + [1] * len(ids[i]) for i in batch])
        out = model.generate(input_ids=input_ids, attention_mask=mask, max_new_tokens=args.new, do_sample=False,
                             pad_token_id=pad, eos_token_id=tokenizer.eos_token_id)
        for i, reply in zip(batch, tokenizer.batch_decode(out[:, longest:], skip_special_tokens=True)):
            replies[i] = reply
    seconds = now() - began
    assert [len(x) for x in ids] == [row["prompt_tokens"] for row in rows], "other tokens"
    return seconds, replies


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--items", type=int, default=24)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default="f32", choices=["f32", "bf16"])
    parser.add_argument("--profile", default="rewardbench", choices=list(texts.PROFILES))
    parser.add_argument("--clock", default="wall", choices=["wall", "cpu"], help="cpu: of a busy machine")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    environment = dict(os.environ, OMP_NUM_THREADS=str(args.threads), RMBENCH_NO_CUDA="1", TOKENIZERS_PARALLELISM="false",
                       RMBENCH_THREADS=str(args.threads))
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        directory, tokenizer, items = make(work, args)
        dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[args.dtype]
        model = AutoModelForCausalLM.from_pretrained(directory, dtype=dtype).eval()
        pairs = []
        for _ in range(args.rounds):
            seconds, rows = ours(work, args, environment)
            other, replies = theirs(model, tokenizer, items, rows, args)
            pairs.append((seconds, other))
        same = sum((row["reply"] or "") == reply for row, reply in zip(rows, replies))
        new = sum(row["reply_tokens"] for row in rows)
        prompt = sum(row["prompt_tokens"] for row in rows)
        mine, peer = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        agrees = same >= 0.99 * len(rows)
        result = {"questions": len(rows), "prompt_tokens": prompt, "new_tokens": new, "same_replies": same, "dtype": args.dtype,
                  "threads": args.threads, "rmbench_seconds": mine, "transformers_seconds": peer,
                  "rmbench_new_tokens_per_second": new / mine, "transformers_new_tokens_per_second": new / peer,
                  "ratio": peer / mine if agrees or args.dtype == "bf16" else None, "rounds": pairs}
        print(json.dumps(result, indent=1))
        if args.dtype == "f32" and not agrees:
            raise SystemExit(f"only {same} of {len(rows)} replies agree")


if __name__ == "__main__":
    main()
