"""Fifty steps of TRL's RewardTrainer on the tiny Llama of architectures.py: every parameter, and LoRA with the head.

Writes tests/fixtures/trl/:
  pairs.jsonl                       the pairs, in the order both sides see them
  full.json, lora.json              settings; loss and gradient norm of every step
  full/model.safetensors            the parameters afterwards
  lora/start/, lora/final/          the adapter as PEFT draws it, and afterwards

One thread, f32, eager attention, no dropout, sequential batches, AdamW as written out (not fused).
Run (40 s on one core, after architectures.py):  python tests/reference/trl_side_by_side.py
"""

import json
import shutil
import tempfile
from pathlib import Path

from fixture_files import FIXTURES, one_thread, readable, versions, write_json, write_tensors

one_thread()

import torch  # noqa: E402
from datasets import Dataset  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402
from transformers.utils import logging  # noqa: E402
from trl import RewardConfig, RewardTrainer  # noqa: E402

logging.set_verbosity_error()
BASE = FIXTURES / "arch" / "llama"
OUT = FIXTURES / "trl"
STEPS, BATCH = 50, 8
SETTINGS = dict(learning_rate=2e-3, weight_decay=0.05, max_grad_norm=0.5, lr_scheduler_type="linear", warmup_steps=3)
WORDS = ["lake", "boat", "stone", "bread", "horse", "cloud", "river", "lamp"]


def pairs():
    """Invented: the better answer names the thing that was asked for."""
    for n in range(STEPS * BATCH):
        one, other = WORDS[n % 8], WORDS[(n * 5 + n // 8 + 3) % 8]
        other = other if other != one else WORDS[(n + 1) % 8]
        yield {
            "id": f"p{n}",
            "prompt": f"Where is the {one}? {n % 7}",
            "chosen": f"The {one} is {['here', 'there', 'far away'][n % 3]}.",
            "rejected": f"A {other} {['sleeps', 'is old'][n % 2]}{'.' * (n % 4)}",
        }


class Recording(RewardTrainer):
    """Keeps each step's loss as it is; the log rounds it."""

    losses = None

    def compute_loss(self, *args, **kwargs):
        out = super().compute_loss(*args, **kwargs)
        loss = out[0] if isinstance(out, tuple) else out
        if self.model.training:
            self.losses.append(loss.item())
        return out


def train(model):
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    turn = lambda role, text: [{"role": role, "content": text}]  # noqa: E731
    rows = [{"prompt": turn("user", p["prompt"]), "chosen": turn("assistant", p["chosen"]),
             "rejected": turn("assistant", p["rejected"])} for p in pairs()]
    with tempfile.TemporaryDirectory() as directory:
        args = RewardConfig(
            output_dir=directory, per_device_train_batch_size=BATCH, max_steps=STEPS, num_train_epochs=1, max_length=128,
            bf16=False, gradient_checkpointing=False, logging_steps=1, report_to=[], use_cpu=True, seed=5,
            optim="adamw_torch", train_sampling_strategy="sequential", save_strategy="no", disable_tqdm=True,
            dataloader_num_workers=0, **SETTINGS)
        trainer = Recording(model=model, args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
        assert len(trainer.train_dataset) == STEPS * BATCH, "a pair was dropped"
        trainer.losses = []
        trainer.train()
        logs = [log for log in trainer.state.log_history if "grad_norm" in log]
    assert len(logs) == len(trainer.losses) == STEPS
    return trainer.model, {
        "settings": {**SETTINGS, "steps": STEPS, "batch": BATCH},
        "loss": trainer.losses,
        "grad_norm": [log["grad_norm"] for log in logs],
        "versions": versions("peft", "accelerate"),
    }


def base():
    return AutoModelForSequenceClassification.from_pretrained(BASE, dtype=torch.float32, attn_implementation="eager")


def save_adapter(model, directory):
    model.save_pretrained(directory)
    (directory / "README.md").unlink(missing_ok=True)
    path = directory / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = "../../../arch/llama"
    write_json(path, config)
    readable(directory / "adapter_model.safetensors")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    lines = [json.dumps(pair) for pair in pairs()]
    (OUT / "pairs.jsonl").write_text("\n".join(lines) + "\n")
    model, log = train(base())
    write_json(OUT / "full.json", log)
    write_tensors(OUT / "full" / "model.safetensors", model.state_dict())

    torch.manual_seed(11)
    config = LoraConfig(r=4, lora_alpha=8, lora_dropout=0.0, target_modules=["q_proj", "v_proj", "down_proj"],
                        task_type="SEQ_CLS", modules_to_save=["score"])
    adapted = get_peft_model(base(), config)
    save_adapter(adapted, OUT / "lora" / "start")
    model, log = train(adapted)
    write_json(OUT / "lora.json", log)
    save_adapter(model, OUT / "lora" / "final")


if __name__ == "__main__":
    main()
