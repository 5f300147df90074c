"""Implicit rewards of real pairs by RewardBench's own DPO inference, for `tests/it/implicit/rewardbench.rs`.

Loads `rewardbench/dpo.py` of an installed rewardbench (its package needs far more than this module does) and runs
`tokenize_row` and `inference_step` as `scripts/run_dpo.py` does: texts by the tokenizer's template (the prompt without the
header of an answer), batches of 8 padded on the right (here of neighbours in length: rows do not see each other), pad = EOS,
and EOS in place of a missing BOS.

Draws random policies and references around the tiny tokenizers. Writes DIR/<name>/{policy,reference} and
DIR/<name>/scores.json. Texts of the pairs are not stored.

Run by: RMBENCH_TEST_PYTHON=python RMBENCH_TEST_DATA=DIR cargo test --test it implicit::rewardbench
"""

import argparse
import importlib.util
import json
import math
import os
from pathlib import Path
from types import SimpleNamespace

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import pyarrow.parquet as parquet  # noqa: E402
import tiny_tokenizers  # noqa: E402
import torch  # noqa: E402
from torch.nn.utils.rnn import pad_sequence  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, Qwen3Config  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()

BATCH = 8
# Of the pairs so many are also scored in f32, and without a reference.
FEW = 60
DECODER = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
               head_dim=16, max_position_embeddings=4096, use_cache=False)
# name: (config class, its settings, tokenizer builder)
DRAWN = {
    # Its template writes a BOS, and RewardBench puts another before it.
    "llama": (LlamaConfig, DECODER | dict(rms_norm_eps=1e-5, rope_theta=1e4, tie_word_embeddings=False), "llama3_like"),
    # Without a BOS.
    "qwen3": (Qwen3Config, DECODER | dict(rms_norm_eps=1e-6, rope_theta=1e6, tie_word_embeddings=True), "qwen2_like"),
}


def dpo_module():
    package = importlib.util.find_spec("rewardbench")
    assert package is not None, "pip install --no-deps rewardbench"
    path = Path(package.submodule_search_locations[0]) / "dpo.py"
    spec = importlib.util.spec_from_file_location("rewardbench_dpo_source", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw(name, part, directory, seed, vocab=None):
    config_class, settings, builder = DRAWN[name]
    tokenizer = getattr(tiny_tokenizers, builder)()
    specials = {key: getattr(tokenizer, key) for key in ("pad_token_id", "bos_token_id", "eos_token_id")}
    config = config_class(**settings, **specials, vocab_size=vocab or len(tokenizer))
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in sorted(model.named_parameters()):
            if parameter.dim() == 2:
                std = 0.5 if "embed" in key else 1.0 / math.sqrt(parameter.shape[1])
                parameter.copy_(std * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(directory / part)
    tokenizer.save_pretrained(directory / part)


def prepared(tokenizer, prompt, chosen, rejected):
    turns = [{"role": "user", "content": prompt}]
    render = lambda more: tokenizer.apply_chat_template(turns + more, tokenize=False)
    answer = lambda text: [{"role": "assistant", "content": text}]
    return {"prompt": render([]), "text_chosen": render(answer(chosen)), "text_rejected": render(answer(rejected))}


def collated(rows, pad):
    """As TRL's collator of that time: every list padded on the right, labels with -100, masks with 0."""
    batch = {}
    for key in rows[0]:
        value = {"input_ids": pad, "labels": -100, "attention_mask": 0}
        fill = next(fill for end, fill in value.items() if key.endswith(end))
        batch[key] = pad_sequence([torch.tensor(row[key]) for row in rows], batch_first=True, padding_value=fill)
    return batch


def load(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)


def tokenizer_of(directory):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.bos_token is None:
        tokenizer.bos_token_id = tokenizer.eos_token_id
        tokenizer.pad_token_id = tokenizer.eos_token_id
    return tokenizer


def score(module, policy, reference, tokenizer, pairs, mode):
    accelerator = SimpleNamespace(device=torch.device("cpu"))
    inference = module.DPOInference(policy, reference, tokenizer, accelerator, ref_free_norm=mode)
    rows = [inference.tokenize_row(prepared(tokenizer, *pair)) for pair in pairs]
    order = sorted(range(len(rows)), key=lambda i: max(len(rows[i][f"{side}_input_ids"]) for side in ("chosen", "rejected")))
    found = {}
    for first in range(0, len(rows), BATCH):
        places = order[first : first + BATCH]
        batch = collated([rows[i] for i in places], tokenizer.pad_token_id)
        with torch.no_grad():
            chosen, rejected = inference.inference_step(batch, ref_free=reference is None)
        found |= dict(zip(places, zip(chosen.double().tolist(), rejected.double().tolist())))
    return [list(found[i]) for i in range(len(rows))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--step", type=int, required=True)
    parser.add_argument("--limit", type=int, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    table = parquet.read_table(args.pairs, columns=["prompt", "chosen", "rejected"]).to_pylist()
    pairs = [(row["prompt"], row["chosen"], row["rejected"]) for row in table][:: args.step][: args.limit]
    module = dpo_module()
    for name in DRAWN:
        directory = args.directory / name
        draw(name, "policy", directory, 21)
        draw(name, "reference", directory, 22)
        tokenizer = tokenizer_of(directory / "policy")
        policy, reference = load(directory / "policy"), load(directory / "reference")
        # Sums of 2,000 tokens are near -10,000, where f32 has steps of 1/1024; in f64 the same arithmetic has none to speak of.
        scores = {"with_reference_f32": score(module, policy, reference, tokenizer, pairs[:FEW], "none")}
        policy, reference = policy.double(), reference.double()
        scores["with_reference"] = score(module, policy, reference, tokenizer, pairs, "none")
        for mode in ("avg", "norm", "sum"):
            scores[mode] = score(module, policy, None, tokenizer, pairs[:FEW], mode)
        (directory / "scores.json").write_text(json.dumps(scores))


if __name__ == "__main__":
    main()
