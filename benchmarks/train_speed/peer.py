"""TRL's RewardTrainer on pairs, as people run it; a program of its own, so that its peak memory is its own.

Prints one JSON object: seconds, pairs and padded tokens of every step, losses, gradient norms. The clock runs from
the end of a step's predecessor to its own end, data loading included.
"""

import argparse
import json
import tempfile
import time

import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback
from trl import RewardConfig, RewardTrainer


class Clock(TrainerCallback):
    def __init__(self):
        self.seconds, self.began = [], None

    def on_step_begin(self, *_, **__):
        if self.began is None:
            self.began = time.perf_counter()

    def on_step_end(self, *_, **__):
        now = time.perf_counter()
        self.seconds.append(now - self.began)
        self.began = now


class Counting(RewardTrainer):
    """Keeps losses and the tokens that padded batches have."""

    losses, padded, squares = None, None, None

    def compute_loss(self, model, inputs, *args, **kwargs):
        rows, longest = inputs["input_ids"].shape
        self.padded.append(rows * longest)
        self.squares.append(rows * longest**2)
        out = super().compute_loss(model, inputs, *args, **kwargs)
        self.losses.append((out[0] if isinstance(out, tuple) else out).item())
        return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--pairs", required=True, help="JSON: a list of {prompt, chosen, rejected}")
    parser.add_argument("--order", choices=["random", "group_by_length", "sequential"], required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForSequenceClassification.from_pretrained(args.model, dtype=torch.float32)
    rows = json.load(open(args.pairs))
    if tokenizer.chat_template is not None:
        turn = lambda role, text: [{"role": role, "content": text}]
        rows = [{"prompt": turn("user", r["prompt"]), "chosen": turn("assistant", r["chosen"]),
                 "rejected": turn("assistant", r["rejected"])} for r in rows]
    clock = Clock()
    with tempfile.TemporaryDirectory() as directory:
        config = RewardConfig(
            output_dir=directory, per_device_train_batch_size=args.batch, max_steps=args.steps, max_length=None,
            learning_rate=1e-5, warmup_steps=0, weight_decay=0.01, max_grad_norm=1.0, bf16=False, use_cpu=True,
            gradient_checkpointing=False, logging_steps=1, report_to=[], save_strategy="no", disable_tqdm=True,
            train_sampling_strategy=args.order, length_column_name="length", seed=7,
            # Or the column of lengths is gone before the sampler asks for it.
            remove_unused_columns=False)
        trainer = Counting(model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer,
                           callbacks=[clock])
        lengths = [max(len(row["chosen_ids"]), len(row["rejected_ids"])) for row in trainer.train_dataset]
        assert len(lengths) == len(rows), "pairs were dropped"
        trainer.train_dataset = trainer.train_dataset.add_column("length", lengths)
        trainer.losses, trainer.padded, trainer.squares = [], [], []
        trainer.train()
        norms = [log["grad_norm"] for log in trainer.state.log_history if "grad_norm" in log]
    print(json.dumps({"seconds": clock.seconds, "loss": trainer.losses, "grad_norm": norms, "padded": trainer.padded,
                      "squares": trainer.squares, "ids": [[row["chosen_ids"], row["rejected_ids"]] for row in trainer.train_dataset]}))


if __name__ == "__main__":
    main()
