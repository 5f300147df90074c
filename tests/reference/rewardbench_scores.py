"""Scores of real pairs by the arithmetic of RewardBench's reward-model loop, for `tests/it/rewardbench.rs`.

The loop (allenai/reward-bench 05a9005, `scripts/run_rm.py` with its pipeline): every rendered text goes to the tokenizer
as it is, special tokens on top, cut on the left to max_length, batches of 8 in the data's order padded to their longest;
of two BOS in a row the first is masked and stays; no gradients; the classifier's one logit in f32. Decoders are padded
left (as the `rewardbench` command forces), encoders as their tokenizer says.

Draws random decoders and a RoBERTa around the tiny tokenizers; with --encoder, also a real BERT with a drawn head.
Writes DIR/<name>/model and DIR/<name>/scores.json. Texts of the pairs are not stored.

Run by: RMBENCH_TEST_PYTHON=python RMBENCH_TEST_DATA=DIR cargo test --test it rewardbench
"""

import argparse
import json
import math
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import pyarrow.parquet as parquet  # noqa: E402
import tiny_tokenizers  # noqa: E402
import torch  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForSequenceClassification,
    AutoTokenizer,
    LlamaConfig,
    Qwen3Config,
    RobertaConfig,
)
from transformers.utils import logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()

BATCH = 8
POSITIONS = 1024
DECODER = dict(hidden_size=64, intermediate_size=192, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
               head_dim=16, max_position_embeddings=POSITIONS, tie_word_embeddings=False, use_cache=False)
ENCODER = dict(hidden_size=64, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4, type_vocab_size=1,
               max_position_embeddings=POSITIONS + 2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
# name: (config class, its settings, tokenizer builder)
DRAWN = {
    "qwen3": (Qwen3Config, DECODER | dict(rms_norm_eps=1e-6, rope_theta=1e6), "qwen2_like"),
    # Its template writes a BOS and its tokenizer adds one.
    "llama": (LlamaConfig, DECODER | dict(rms_norm_eps=1e-5, rope_theta=1e4), "llama3_like"),
    "roberta": (RobertaConfig, ENCODER | dict(layer_norm_eps=1e-5), "roberta_like"),
}
DECODERS = ("qwen3", "llama")


def redraw(parameter, std, generator):
    with torch.no_grad():
        parameter.copy_(std * torch.randn(parameter.shape, generator=generator))


def draw(name, directory):
    """A checkpoint whose attention and rewards differ from text to text: every matrix keeps the size of its input."""
    config_class, settings, builder = DRAWN[name]
    tokenizer = getattr(tiny_tokenizers, builder)()
    specials = {key: getattr(tokenizer, key) for key in ("pad_token_id", "bos_token_id", "eos_token_id")}
    config = config_class(**settings, **specials, vocab_size=len(tokenizer), num_labels=1)
    model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    generator = torch.Generator().manual_seed(11)
    for key, parameter in sorted(model.named_parameters()):
        if parameter.dim() == 2:
            gain = 3.0 if key in ("score.weight", "classifier.out_proj.weight") else 1.0
            redraw(parameter, 0.5 if "embed" in key else gain / math.sqrt(parameter.shape[1]), generator)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def with_head(encoder, directory):
    """A published encoder with a drawn reward head."""
    model = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=1, dtype=torch.float32)
    generator = torch.Generator().manual_seed(12)
    # Wide, since what the pooler gives differs little from text to text.
    redraw(model.classifier.weight, 32.0 / math.sqrt(model.config.hidden_size), generator)
    redraw(model.classifier.bias, 0.1, generator)
    model.save_pretrained(directory)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(directory)


def render(tokenizer, prompt, response):
    if tokenizer.chat_template is None:
        return prompt + response
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
    return tokenizer.apply_chat_template(turns, tokenize=False)


def mask_first_of_two_bos(inputs, bos):
    for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"]):
        first = int(mask.argmax())
        if ids[first : first + 2].tolist() == [bos, bos]:
            mask[first] = 0


def score(directory, pairs, max_length, left):
    model = AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory, truncation_side="left")
    if left:
        tokenizer.padding_side = "left"

    def rewards(texts):
        inputs = tokenizer(texts, truncation=True, max_length=max_length, padding=True, return_tensors="pt")
        if left and tokenizer.bos_token_id is not None:
            mask_first_of_two_bos(inputs, tokenizer.bos_token_id)
        with torch.no_grad():
            return model(**inputs).logits[:, 0].tolist()

    found = []
    for first in range(0, len(pairs), BATCH):
        batch = pairs[first : first + BATCH]
        sides = [rewards([render(tokenizer, prompt, pair[side]) for prompt, *pair in batch]) for side in (0, 1)]
        found += [list(pair) for pair in zip(*sides)]
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", required=True)
    parser.add_argument("--rows", required=True, help="row numbers, separated by commas")
    parser.add_argument("--max-length", type=int, required=True)
    parser.add_argument("--encoder", help="directory of a BERT")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    columns = parquet.read_table(args.pairs, columns=["prompt", "chosen", "rejected"]).to_pydict()
    rows = [int(row) for row in args.rows.split(",")]
    pairs = [tuple(columns[name][row] for name in ("prompt", "chosen", "rejected")) for row in rows]
    for name in [*DRAWN, *(["minilm"] if args.encoder else [])]:
        directory = Path(args.out) / name / "model"
        directory.mkdir(parents=True)
        draw(name, directory) if name in DRAWN else with_head(args.encoder, directory)
        scores = score(directory, pairs, args.max_length, left=name in DECODERS)
        (Path(args.out) / name / "scores.json").write_text(json.dumps(scores))


if __name__ == "__main__":
    main()
