"""What transformers generates from the decoders of arch/: greedy replies, log-probabilities of given texts, cut distributions.

Writes tests/fixtures/generation.json. The language models are the backbones in tests/fixtures/arch with an output layer
that needs no file: the embeddings where TIED says so, else the embeddings with their rows moved on by SHIFT.

Greedy replies are `generate`'s, alone and in a left-padded batch, which must agree. Where rotary frequencies depend on the
length (dynamic, longrope) a cache holds keys of other frequencies than a full pass computes; there the reply is that of full
passes. A prompt is used only if no step's two best logits are closer than GAP.

Run (two minutes on one core):  python tests/reference/generation.py
"""

import json

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

import torch  # noqa: E402
from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402
from transformers.generation.logits_process import (  # noqa: E402
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.utils import logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()

NAMES = ["llama", "llama_rope3", "llama_dynamic", "mistral", "mixtral", "qwen2", "qwen2_yarn", "qwen3", "qwen3_linear",
         "gemma", "gemma2", "gemma3_text", "phi3", "olmo2", "cohere", "cohere2"]
TIED = {"gemma", "gemma2", "gemma3_text", "cohere", "cohere2", "qwen2_yarn"}
SHIFT = 7
NEW = 40
GAP = 2e-3
LENGTHS = [5, 23, 40, 61]


def load(name):
    directory = FIXTURES / "arch" / name
    config = AutoConfig.from_pretrained(directory)
    config.tie_word_embeddings = name in TIED
    config.use_cache = True
    more = {"experts_implementation": "eager"} if name == "mixtral" else {}
    model = AutoModelForCausalLM.from_pretrained(directory, config=config, dtype=torch.float32,
                                                 attn_implementation="eager", **more).eval()
    embeddings = model.get_input_embeddings().weight
    if name not in TIED:
        with torch.no_grad():
            model.lm_head.weight.copy_(embeddings.roll(SHIFT, 0))
    else:
        assert model.lm_head.weight.data_ptr() == embeddings.data_ptr()
    return model


def depends_on_length(model):
    rope = getattr(model.config, "rope_parameters", None) or {}
    return rope.get("rope_type") in ("dynamic", "longrope")


def fresh(model):
    """Dynamic frequencies are kept from the longest sequence so far."""
    rotary = model.model.rotary_emb
    if getattr(rotary, "rope_type", None) == "dynamic":
        rotary.max_seq_len_cached = rotary.original_max_seq_len
        rotary.inv_freq = rotary.original_inv_freq
    return model


@torch.no_grad()
def logits_of(model, ids):
    return fresh(model)(torch.tensor([ids]), use_cache=False).logits[0].float()


def by_full_passes(model, prompt, ends):
    """The greedy reply, and the smallest distance of a step's two best logits."""
    ids, gap = list(prompt), float("inf")
    for _ in range(NEW):
        last = logits_of(model, ids)[-1]
        best = last.topk(2)
        gap = min(gap, (best.values[0] - best.values[1]).item())
        ids.append(best.indices[0].item())
        if ids[-1] in ends:
            break
    return ids[len(prompt):], gap


@torch.no_grad()
def generate(model, prompts, ends):
    pad = model.config.pad_token_id
    longest = max(map(len, prompts))
    ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    out = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=NEW, do_sample=False, eos_token_id=ends,
                         pad_token_id=pad)
    replies = []
    for row in out[:, longest:].tolist():
        end = next((i + 1 for i, token in enumerate(row) if token in ends), len(row))
        replies.append(row[:end])
    return replies


def continuations(model, prompt, texts):
    found = []
    for text in texts:
        log_probs = logits_of(model, prompt + text).double().log_softmax(-1)
        found.append([log_probs[len(prompt) - 1 + i, token].item() for i, token in enumerate(text)])
    return found


def case(name):
    model = load(name)
    pairs = json.loads((FIXTURES / "arch" / name / "inputs.json").read_text())["pairs"]
    sequences = [pair[side] for pair in pairs for side in ("chosen_ids", "rejected_ids")]
    stream = [token for ids in sequences for token in ids]
    limit = model.config.max_position_embeddings - NEW
    prompts, start = [], 0
    none = [model.config.eos_token_id]
    for length in LENGTHS:
        length = min(length, limit) if not depends_on_length(model) else length
        while True:
            prompt = stream[start:start + length]
            assert len(prompt) == length, name
            start += 3
            if by_full_passes(model, prompt, none)[1] > GAP:
                break
        prompts.append(prompt)
    # One prompt begins like another.
    prompts.append(prompts[2][:30] + prompts[1][:9])
    if by_full_passes(model, prompts[-1], none)[1] <= GAP:
        prompts.pop()
    first = by_full_passes(model, prompts[0], none)[0]
    ends = [model.config.eos_token_id, first[min(11, len(first) - 1)]]
    replies = [by_full_passes(model, prompt, ends)[0] for prompt in prompts]
    if not depends_on_length(model):
        assert [generate(model, [prompt], ends)[0] for prompt in prompts] == replies, name
        assert generate(model, prompts, ends) == replies, name
    given = [prompts[1][:1], prompts[2][4:7], prompts[3][8:15]]
    return {
        "name": name, "tied": name in TIED, "ends": ends, "prompts": prompts, "replies": replies, "given": given,
        "log_probs": [continuations(model, prompt, given) for prompt in prompts],
        "last_logits": [logits_of(model, prompt)[-1, :8].tolist() for prompt in prompts],
    }


def cuts():
    """Distributions after temperature, top-k and top-p, in the order in which `generate` applies them."""
    generator = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(3, 60, generator=generator)).round(decimals=4)
    logits[2, 10:14] = logits[2].topk(5).values[-1]  # equals of the fifth
    found = []
    for temperature, top_k, top_p in [(1.0, None, 1.0), (0.7, None, 1.0), (1.0, 5, 1.0), (1.3, None, 0.8), (0.6, 20, 0.95),
                                      (2.0, 5, 0.5), (1.0, None, 0.01)]:
        scores = TemperatureLogitsWarper(temperature)(None, logits) if temperature != 1.0 else logits
        if top_k is not None:
            scores = TopKLogitsWarper(top_k)(None, scores)
        if top_p < 1.0:
            scores = TopPLogitsWarper(top_p)(None, scores)
        found.append({"temperature": temperature, "top_k": top_k, "top_p": top_p,
                      "probabilities": scores.double().softmax(-1).tolist()})
    return {"logits": logits.tolist(), "settings": found}


if __name__ == "__main__":
    value = {"versions": versions(), "shift": SHIFT, "new": NEW, "cases": [case(name) for name in NAMES], "cuts": cuts()}
    write_json(FIXTURES / "generation.json", value)
