"""What rmbench is held against: RewardBench's loop, and transformers used as well as its interface allows.

Run as a program: loads a checkpoint, scores texts, prints one JSON object. The clock runs from the first text
to the last score; loading is timed apart.
"""

import argparse
import json
import resource
import time

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def rewardbench(model, tokenizer, items, side):
    """The loop of the `rewardbench` command (allenai/reward-bench 05a9005): batches of 8 in the data's order,
    first the chosen texts, then the rejected ones, padded to the longest, nothing cut (`truncation=False`), no
    gradients. It pads left; encoders read the first token, so there the tokenizer's own side (right) is kept,
    as `run_rm.py` does. Best-of-n items go through as texts in a row, as in its second version."""
    tokenizer.padding_side = side
    scores = []
    n_computed = 0

    def pipe(texts):
        nonlocal n_computed
        inputs = tokenizer(texts, truncation=False, max_length=512, padding=True, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        n_computed += inputs["input_ids"].numel()
        with torch.no_grad():
            return model(**inputs).logits.float().cpu().numpy().reshape(-1).tolist()

    if all(len(item) == 2 for item in items):
        for first in range(0, len(items), 8):
            batch = items[first : first + 8]
            scores += zip(pipe([item[0] for item in batch]), pipe([item[1] for item in batch]))
        return [list(pair) for pair in scores], n_computed
    texts = [text for item in items for text in item]
    flat = [score for first in range(0, len(texts), 8) for score in pipe(texts[first : first + 8])]
    return regroup(flat, items), n_computed


def sorted_batches(model, tokenizer, items, budget):
    """Every text once, longest first, right-padded batches of at most `budget` tokens, inference mode."""
    tokenizer.padding_side = "right"
    texts = [text for item in items for text in item]
    ids = tokenizer(texts, truncation=False)["input_ids"]
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    scores = [0.0] * len(ids)
    n_computed = 0
    with torch.inference_mode():
        while order:
            longest = len(ids[order[0]])
            n = max(1, budget // longest)
            batch, order = order[:n], order[n:]
            padded = tokenizer.pad({"input_ids": [ids[i] for i in batch]}, return_tensors="pt")
            n_computed += padded["input_ids"].numel()
            for i, score in zip(batch, model(**padded).logits.float().reshape(-1).tolist()):
                scores[i] = score
    return regroup(scores, items), n_computed


def regroup(flat, items):
    scores = iter(flat)
    return [[next(scores) for _ in item] for item in items]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--texts", required=True, help="JSON: a list of items, each a list of texts")
    parser.add_argument("--how", choices=["rewardbench", "sorted"], required=True)
    parser.add_argument("--side", default="left")
    parser.add_argument("--budget", type=int, default=4096)
    parser.add_argument("--dtype", choices=["f32", "bf16"], required=True)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    items = json.load(open(args.texts))
    began = time.perf_counter()
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[args.dtype]
    model = AutoModelForSequenceClassification.from_pretrained(args.model, dtype=dtype).eval()
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    loaded = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF)
    if args.how == "rewardbench":
        scores, n_computed = rewardbench(model, tokenizer, items, args.side)
    else:
        scores, n_computed = sorted_batches(model, tokenizer, items, args.budget)
    seconds = time.perf_counter() - loaded
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "load_seconds": loaded - began,
                      "computed_tokens": n_computed, "scores": scores}))


if __name__ == "__main__":
    main()
