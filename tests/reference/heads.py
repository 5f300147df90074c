"""Fixtures of reward heads and pooling rules: each head's published formula, written out in numpy.

The backbones are those of `architectures.py` (tests/fixtures/arch/<base>); only what stands behind them is new.
Writes tests/fixtures/heads/:
  items.json          comparisons (messages, chosen, rejected)
  <head>.json         base, changes of its config.json, rmbench.toml, expected rewards
  <head>.safetensors  the head's tensors under the names that its authors' checkpoints have
  pooling.json        the seven pooling rules on one head, with padding on either side

Every reward is computed on padded batches: hidden states from transformers, positions from the padded ids or the
attention mask as the rule defines them, the head in float64.

Run (20 s):  python tests/reference/heads.py
"""

import json
import sys
from collections import OrderedDict

from fixture_files import FIXTURES, one_thread, versions, write_json, write_tensors

one_thread()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()

OUT = FIXTURES / "heads"
ITEMS = [
    {"name": "short", "messages": [("user", "Is the lake deep?")], "chosen": "Yes, about ten metres.", "rejected": "no"},
    {"name": "two_turns",
     "messages": [("user", "Hi"), ("assistant", "Hello! The sea is calm."), ("user", "And the boat?")],
     "chosen": "It is red.", "rejected": "The lake is deep, and the boat is old."},
    {"name": "arabic", "messages": [("user", "ماذا تشرب القطة؟")], "chosen": "الحليب 🥛", "rejected": "ماء"},
    {"name": "cjk", "messages": [("user", "数一数")], "chosen": "一、二、三。", "rejected": "三つの本"},
    {"name": "empty", "messages": [("user", "")], "chosen": "ok", "rejected": "Café 👍🏽"},
    {"name": "shared_start", "messages": [("user", "Tell me of the island.")],
     "chosen": "The island is green, and nobody is lost.", "rejected": "The island is green in the dark."},
]
SIDES = ("chosen", "rejected")


# Sequences --------------------------------------------------------------------------------------------------------

class Base:
    """A backbone of `architectures.py` with its tokenizer, and all sequences in its ids."""

    def __init__(self, name):
        self.name = name
        directory = FIXTURES / "arch" / name
        self.config = json.loads((directory / "config.json").read_text())
        self.tokenizer = AutoTokenizer.from_pretrained(directory)
        self.classifier = AutoModelForSequenceClassification.from_pretrained(
            directory, dtype=torch.float32, attn_implementation="eager").eval()
        self.is_chat = self.tokenizer.chat_template is not None
        self.items = [i for i, item in enumerate(ITEMS) if self.is_chat or len(item["messages"]) == 1]
        self.sequences, self.prompts = [], []
        for i in self.items:
            item = ITEMS[i]
            messages = [{"role": role, "content": text} for role, text in item["messages"]]
            for side in SIDES:
                self.sequences.append(self.encode(messages, item[side]))
                self.prompts.append(self.prompt_tokens(messages, self.sequences[-1]))
        longest = max(map(len, self.sequences))
        assert longest <= 120, longest

    def encode(self, messages, response):
        if not self.is_chat:
            # TRL's rule for plain text: end the response with the EOS text.
            return self.tokenizer(messages[-1]["content"] + response + (self.tokenizer.eos_token or ""))["input_ids"]
        whole = [*messages, {"role": "assistant", "content": response}]
        return self.tokenizer.apply_chat_template(whole, return_dict=True)["input_ids"]

    def prompt_tokens(self, messages, sequence):
        """Tokens of the prompt with the header of the answer, as far as the sequence begins with them."""
        if not self.is_chat:
            return None
        prompt = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
        return next((i for i, (a, b) in enumerate(zip(prompt, sequence)) if a != b), min(len(prompt), len(sequence)))

    def batch(self, sequences, pad, side):
        """Padded ids and attention mask."""
        width = max(map(len, sequences)) + 2  # more padding than any row needs
        ids = np.full((len(sequences), width), pad)
        mask = np.zeros_like(ids)
        for row, sequence in enumerate(sequences):
            at = slice(0, len(sequence)) if side == "right" else slice(width - len(sequence), width)
            ids[row, at], mask[row, at] = sequence, 1
        return ids, mask

    def hidden(self, ids, mask):
        """Last hidden states [b, t, d]; positions count attended tokens."""
        with torch.no_grad():
            inputs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
            if self.is_chat:
                inputs["position_ids"] = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
            return self.classifier.base_model(**inputs).last_hidden_state.double().numpy()

    def pad(self):
        return self.config["pad_token_id"]


# Pooling rules on padded batches ----------------------------------------------------------------------------------

def hf_last_nonpad(ids, mask, pad, _):
    """transformers >= 4.49: the rightmost index whose id is not the pad id."""
    return [int(np.flatnonzero(row != pad)[-1]) for row in ids]


def hf_legacy_first_pad(ids, mask, pad, _):
    """Older transformers, INF-ORM, Qwen2ForRewardModel, ArmoRM: (index of the first pad id) - 1, modulo the length."""
    return [(int((row == pad).argmax()) - 1) % ids.shape[1] for row in ids]


def mask_last(ids, mask, pad, _):
    """OpenRLHF, UltraRM, Eurus, Beaver: the last attended index."""
    return [int(np.flatnonzero(row)[-1]) for row in mask]


def first(ids, mask, pad, _):
    return [int(np.flatnonzero(row)[0]) for row in mask]


def prompt_end(ids, mask, pad, prompts):
    return [int(np.flatnonzero(row)[0]) + n - 1 for row, n in zip(mask, prompts)]


def last_of(token):
    """Athene: the last occurrence of a token."""
    return lambda ids, mask, pad, _: [int(np.flatnonzero(row == token)[-1]) for row in ids]


def pattern_start(pattern):
    """ArmoRM, QRM: where the last occurrence of a token pattern begins."""
    def rule(ids, mask, pad, _):
        found = []
        for row in ids.tolist():
            places = [i for i in range(len(row) - len(pattern) + 1) if row[i:i + len(pattern)] == pattern]
            found.append(places[-1])
        return found
    return rule


def pooled(base, rule, sequences=None, pad=None, side="right"):
    """Hidden states [b, d] by a rule."""
    sequences = sequences or base.sequences
    pad = base.pad() if pad is None else pad
    ids, mask = base.batch(sequences, pad, side)
    return base.hidden(ids, mask)[np.arange(len(ids)), rule(ids, mask, pad, base.prompts)]


def either_side(base, rule, **more):
    """As `pooled`, checked to be the same with padding on the left."""
    right, left = pooled(base, rule, **more), pooled(base, rule, side="left", **more)
    assert np.abs(right - left).max() < 1e-5, np.abs(right - left).max()
    return right


# Heads ------------------------------------------------------------------------------------------------------------

def relu(x):
    return np.maximum(x, 0)


def selu(x):
    return 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * (np.exp(np.minimum(x, 0)) - 1))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Tensors(dict):
    """Drawn tensors by name, in float32; used in float64."""

    def __init__(self, seed):
        super().__init__()
        self.random = np.random.default_rng(seed)

    def draw(self, name, *shape, std=0.3, mean=0.0):
        self[name] = (mean + std * self.random.standard_normal(shape)).astype(np.float32)
        return self[name].astype(np.float64)

    def linear(self, name, out, inp, bias=True):
        """x -> W x + b under NAME.weight, NAME.bias."""
        w = self.draw(f"{name}.weight", out, inp)
        b = self.draw(f"{name}.bias", out) if bias else 0.0
        return lambda x: x @ w.T + b


D = 32


def two_layers(base_name, tensors, architecture):
    base = BASES[base_name]
    inner, outer = tensors.linear("score.0", D, D), tensors.linear("score.2", 1, D)
    h = either_side(base, hf_legacy_first_pad)
    return {"config": {"architectures": [architecture]}, "rewards": outer(relu(inner(h)))[:, 0]}


def inf_orm(tensors):
    """INF-ORM: Linear(d, d), ReLU, Linear(d, 1) at the token before the first pad."""
    return two_layers("llama", tensors, "INFORMForSequenceClassification")


def qwen2_rm(tensors):
    """WorldPM, Qwen2.5-Math-RM: the same on Qwen2."""
    return two_layers("qwen2", tensors, "Qwen2ForRewardModel") | {"base": "qwen2"}


def nemotron(tensors):
    """The logit of vocabulary id 0 after the last token."""
    lm_head = tensors.linear("lm_head", 384, D, bias=False)
    return {"config": CAUSAL, "card": "head = { vocabulary-logit = { id = 0 } }",
            "rewards": lm_head(either_side(BASES["llama"], mask_last))[:, 0]}


def nemotron_tied(tensors):
    """The same where the embeddings serve as output layer."""
    base = BASES["qwen2"]
    embeddings = base.classifier.base_model.embed_tokens.weight.detach().double().numpy()
    return {"base": "qwen2", "config": {"architectures": ["Qwen2ForCausalLM"], "tie_word_embeddings": True},
            "card": "head = { vocabulary-logit = { id = 5 } }",
            "rewards": either_side(base, mask_last) @ embeddings[5]}


def soft_capped_logit(tensors):
    """Gemma 2 caps its logits: c tanh(z / c)."""
    lm_head = tensors.linear("lm_head", 384, D, bias=False)
    z = lm_head(either_side(BASES["llama"], mask_last))[:, 383]
    return {"config": CAUSAL | {"final_logit_softcapping": 2.0}, "card": "head = { vocabulary-logit = { id = 383 } }",
            "rewards": 2.0 * np.tanh(z / 2.0)}


LLAMA3_PATTERN = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"


def gate_position(base, text):
    pattern = base.tokenizer.encode(text, add_special_tokens=False)
    return pooled(base, pattern_start(pattern))


def armorm(tensors):
    """ArmoRM: 19 attributes, transformed, weighted by softmax(MLP(prompt) / T) times a scale."""
    base = BASES["llama"]
    attributes = tensors.linear("regression_layer", 19, D, bias=False)
    transform = np.eye(19)
    transform[4] -= np.abs(tensors.random.standard_normal(19)) * 0.2
    tensors["reward_transform_matrix"] = transform.astype(np.float32)
    transform = tensors["reward_transform_matrix"].astype(np.float64)
    layers = [tensors.linear(f"gating.layers.{i}", out, inp) for i, (out, inp) in enumerate([(24, D), (24, 24), (24, 24), (19, 24)])]
    scale = tensors.draw("gating.logit_scale", 1, std=0.0, mean=1.3)
    x = gate_position(base, LLAMA3_PATTERN)
    for i, layer in enumerate(layers):
        x = relu(layer(x)) if i < len(layers) - 1 else layer(x)
    gate = softmax(x / 0.7) * scale
    rewards = attributes(either_side(base, hf_legacy_first_pad)) @ transform
    return {"config": {"architectures": ["LlamaForRewardModelWithGating"], "num_objectives": 19, "gating_temperature": 0.7},
            "rewards": (gate * rewards).sum(1)}


def quantile_gate(tensors, state, prompt, objectives, quantiles, stride_dropout, temperature, transform):
    """QRM: quantiles per attribute, their mean weighted by a gate of [Linear, ReLU, BatchNorm(, Dropout)] blocks."""
    regression = tensors.linear("regression_layer", objectives * quantiles, D, bias=False)
    x, width, index = prompt, D, 0
    for block in range(3):
        x = relu(tensors.linear(f"gating.layers.{index}", 20, width, bias=False)(x))
        norm = f"gating.layers.{index + 2}"
        weight, bias = tensors.draw(f"{norm}.weight", 20, mean=1.0), tensors.draw(f"{norm}.bias", 20)
        mean = tensors.draw(f"{norm}.running_mean", 20)
        tensors.draw(f"{norm}.running_var", 20, std=0.1, mean=1.0)
        tensors[f"{norm}.running_var"] = np.abs(tensors[f"{norm}.running_var"]) + np.float32(0.1)
        variance = tensors[f"{norm}.running_var"].astype(np.float64)
        tensors[f"{norm}.num_batches_tracked"] = np.array(2000, dtype=np.int64)
        x = (x - mean) / np.sqrt(variance + 1e-5) * weight + bias
        width, index = 20, index + 3 + (1 if stride_dropout and block < 2 else 0)
    logits = tensors.linear(f"gating.layers.{index}", objectives, width)(x)
    gate = softmax(logits / temperature) * tensors.draw("gating.logit_scale", 1, std=0.0, mean=0.8)
    expected = regression(state).reshape(-1, objectives, quantiles).mean(2)
    if transform:
        matrix = tensors.draw("reward_transform_matrix", objectives, objectives, std=0.1)
        tensors["reward_transform_matrix"] = (matrix + np.eye(objectives)).astype(np.float32)
        expected = expected @ tensors["reward_transform_matrix"].astype(np.float64)
    return (gate * expected).sum(1)


def qrm_llama(tensors):
    """QRM-Llama3.1: 19 attributes of 5 quantiles, transformed; temperature 10 unless the configuration says."""
    base = BASES["llama"]
    rewards = quantile_gate(tensors, either_side(base, hf_legacy_first_pad), gate_position(base, LLAMA3_PATTERN),
                            19, 5, False, 10.0, True)
    return {"config": {"architectures": ["LlamaForRewardModelWithGating31"], "num_objectives": 19, "num_quantiles": 5},
            "rewards": rewards}


def qrm_other(tensors):
    """QRM-Gemma-2's layer numbers (a dropout between blocks), no transform matrix, another prompt end."""
    base, pattern = BASES["qwen2"], "<|im_end|>\n<|im_start|>assistant\n"
    rewards = quantile_gate(tensors, either_side(base, hf_legacy_first_pad), gate_position(base, pattern),
                            5, 19, True, 1.0, False)
    card = f"gate-pattern = {json.dumps(pattern)}\ngate-temperature = 1.0\nhead = \"gated\""
    return {"base": "qwen2", "config": {"architectures": ["Gemma2ForQuantile"], "num_objectives": 5, "num_quantiles": 19},
            "card": card, "rewards": rewards}


def urm(tensors):
    """URM: five attributes of (mean, deviation), the means weighted by an MLP with SELU on the same state."""
    score = tensors.linear("score", 10, D, bias=False)
    layers = [tensors.linear(f"weights.fc.{i}", out, D) for i, out in ((0, D), (2, D), (4, 5))]
    h = either_side(BASES["llama"], mask_last)
    weights = layers[2](selu(layers[1](selu(layers[0](h)))))
    means = score(h).reshape(-1, 5, 2)[:, :, 0]
    labels = {str(i): f"LABEL_{i}" for i in range(10)}
    return {"config": {"architectures": ["LlamaForSequenceClassificationWithNormal_Weights"], "id2label": labels},
            "rewards": (means * weights).sum(1)}


def leaky_relu(x):
    return np.where(x > 0, x, 0.01 * x)


def distributions(tensors, softmax_weights, config):
    """LDL: ten bins per attribute, the mean of values 0 ... 1 under their softmax, weighted by a second MLP."""
    base = BASES["gemma2"]
    mlp = lambda module, places, outputs: [
        tensors.linear(f"{module}.network.{place}", out, inp)
        for place, out, inp in zip(places, (24, 24, outputs), (D, 24, 24))]
    run = lambda layers, x: layers[2](leaky_relu(layers[1](leaky_relu(layers[0](x)))))
    regression, gating = mlp("regression_layer", (0, 2, 4), 50), mlp("gating_layer", (0, 3, 6), 5)
    h = pooled(base, hf_legacy_first_pad)
    p = softmax(run(regression, h).reshape(len(h), -1, 10))
    weights = run(gating, h)
    weights = softmax(weights / 0.6) if softmax_weights else weights
    # In their order: one distribution over all attributes, then its mean.
    total = (weights[:, :, None] * p).sum(1)
    return {"base": "gemma2", "config": {"architectures": ["LDLRewardModel27B"]} | config,
            "rewards": (total * np.linspace(0, 1, 10)).sum(1)}


def ldl(tensors):
    """LDL-Reward-Gemma-2: weights that are a softmax; also in its two files, `ldl.regression_layer.pt` and `ldl.gating_layer.pt`."""
    made = distributions(tensors, True, {"num_objectives": 50, "softmax": True, "temperature": 0.6})
    for module in ("regression_layer", "gating_layer"):
        state = {name.removeprefix(f"{module}."): torch.tensor(value) for name, value in tensors.items() if name.startswith(module)}
        torch.save(OrderedDict(state), OUT / f"ldl.{module}.pt")
    return made


def ldl_plain(tensors):
    """The same without a softmax over the weights, which is what the class does unless told otherwise."""
    return distributions(tensors, False, {})


def grm(tensors):
    """GRM: `v_head` of Linear, ReLU, Linear; the language model's own head is in the checkpoint, too."""
    inner, outer = tensors.linear("v_head.summary.0", 24, D), tensors.linear("v_head.summary.2", 1, 24)
    tensors.linear("lm_head", 384, D, bias=False)
    h = either_side(BASES["llama"], mask_last)
    return {"config": CAUSAL | {"vhead_layer_type": "mlp", "vhead_num_neurons": 24, "vhead_num_layers": 1},
            "rewards": outer(relu(inner(h)))[:, 0]}


def grm_deep(tensors):
    """GRM with `vhead_num_layers` 2."""
    layers = [tensors.linear(f"v_head.summary.{i}", out, inp) for i, (out, inp) in ((0, (24, D)), (2, (24, 24)), (4, (1, 24)))]
    h = either_side(BASES["llama"], mask_last)
    return {"config": CAUSAL | {"vhead_num_layers": 2}, "rewards": layers[2](relu(layers[1](relu(layers[0](h)))))[:, 0]}


def llama_factory(tensors):
    """LLaMA-Factory, TRL: `v_head.summary` with a bias, in a file of its own."""
    head = tensors.linear("v_head.summary", 1, D)
    return {"base": "qwen2", "config": {"architectures": ["Qwen2ForCausalLM"], "id2label": None, "label2id": None},
            "file": "value_head.safetensors", "rewards": head(either_side(BASES["qwen2"], mask_last))[:, 0]}


def with_token(base, token):
    """Sequences that end with the token, appended where they do not."""
    return [ids if ids[-1] == token else [*ids, token] for ids in base.sequences]


def internlm2(tensors):
    """InternLM2: the reward token is appended unless it is there, and read (its last attended position)."""
    base, token = BASES["llama"], 380
    head = tensors.linear("v_head", 1, D, bias=False)
    h = either_side(base, mask_last, sequences=with_token(base, token))
    return {"config": {"architectures": ["InternLM2ForRewardModel"], "reward_token_id": token}, "rewards": head(h)[:, 0]}


def athene(tensors):
    """Athene: the CLS token is appended, its last occurrence read."""
    base, token = BASES["llama"], 381
    head = tensors.linear("v_head", 1, D, bias=False)
    h = either_side(base, last_of(token), sequences=with_token(base, token))
    return {"config": {"architectures": ["AtheneForSequenceClassification"]},
            "card": f"pooling = {{ appended-token = {{ id = {token} }} }}", "rewards": head(h)[:, 0]}


def ultra_rm(tensors):
    """UltraRM, Eurus: `regression_head` at the last attended token."""
    head = tensors.linear("regression_head", 1, D, bias=False)
    return {"config": {"architectures": ["LlamaRewardModel"]}, "rewards": head(either_side(BASES["llama"], mask_last))[:, 0]}


def open_rlhf(tensors):
    """OpenRLHF: the head's name is in the configuration, and with `normalize_reward` (r - mean) / std."""
    head = tensors.linear("my_head", 1, D, bias=False)
    config = {"architectures": ["RewardModel"], "value_head_prefix": "my_head", "normalize_reward": True, "mean": 0.4,
              "std": 1.7, "id2label": None, "label2id": None}
    return {"config": config, "rewards": (head(either_side(BASES["llama"], mask_last))[:, 0] - 0.4) / 1.7}


def open_rlhf_score(tensors):
    """Its default name, whose configuration states no label count; statistics that are not applied."""
    head = tensors.linear("score", 1, D, bias=False)
    config = {"value_head_prefix": "score", "normalize_reward": False, "mean": 0.4, "std": 1.7, "id2label": None,
              "label2id": None, "pad_token_id": 382}
    return {"config": config, "rewards": head(either_side(BASES["llama"], mask_last))[:, 0]}


def beaver(tensors, score_type):
    head = tensors.linear("score_head", 1, D)
    mean = tensors.draw("normalizer.mean", 1)
    tensors["normalizer.var"] = np.array([2.5], dtype=np.float32)
    tensors["normalizer.count"] = np.array([4096], dtype=np.int64)
    raw = head(either_side(BASES["llama"], mask_last))[:, 0]
    std = np.sqrt(np.float64(np.float32(2.5))) + 1e-8
    config = {"architectures": ["LlamaForScore"], "score_type": score_type, "do_normalize": True, "bias": True}
    return {"config": config, "rewards": (raw - mean[0]) / std if score_type == "reward" else -raw / std}


def beaver_reward(tensors):
    """Beaver: (score - mean) / (std + 1e-8), mean and variance stored beside the head."""
    return beaver(tensors, "reward")


def beaver_cost(tensors):
    """Its cost model: score / (std + 1e-8); the reward is the negative cost."""
    return beaver(tensors, "cost")


def labels(tensors):
    """Several labels and a weight for each."""
    head = tensors.linear("score", 3, D, bias=False)
    weights = [0.65, 0.8, -0.4]
    config = {"id2label": {"0": "helpfulness", "1": "correctness", "2": "verbosity"}, "label2id": None}
    return {"config": config, "card": f"label-weights = {weights}",
            "rewards": head(either_side(BASES["llama"], hf_last_nonpad)) @ np.array(weights)}


def encoder_labels(tensors):
    """The same behind RoBERTa's two layers, which are the backbone's own but for the last."""
    base = BASES["xlm_roberta"]
    out = tensors.linear("classifier.out_proj", 2, D)
    dense = base.classifier.classifier.dense
    w, b = dense.weight.detach().double().numpy(), dense.bias.detach().double().numpy()
    h = pooled(base, first)
    return {"base": "xlm_roberta", "config": {"id2label": {"0": "safe", "1": "useful"}},
            "card": "label-weights = [0.5, 1.0]", "rewards": out(np.tanh(h @ w.T + b)) @ np.array([0.5, 1.0])}


CAUSAL = {"architectures": ["LlamaForCausalLM"], "id2label": None, "label2id": None}
HEADS = [inf_orm, qwen2_rm, nemotron, nemotron_tied, soft_capped_logit, armorm, qrm_llama, qrm_other, urm, ldl, ldl_plain, grm, grm_deep,
         llama_factory, internlm2, athene, ultra_rm, open_rlhf, open_rlhf_score, beaver_reward, beaver_cost, labels,
         encoder_labels]


def write_head(build):
    name = build.__name__
    tensors = Tensors(sum(map(ord, name)))
    made = build(tensors)
    base = BASES[made.setdefault("base", "llama")]
    rewards = np.asarray(made.pop("rewards"))
    assert rewards.shape == (2 * len(base.items),) and np.isfinite(rewards).all()
    assert rewards.std() > 0.05, f"{name}: the rewards hardly differ"
    if tensors:
        write_tensors(OUT / f"{name}.safetensors", {k: torch.tensor(v) for k, v in tensors.items()})
    about = " ".join(build.__doc__.split()) if build.__doc__ else name
    write_json(OUT / f"{name}.json", {"about": about, **made, "items": base.items, "rewards": rewards.reshape(-1, 2).tolist()})
    print(f"{name}: {rewards.min():.3f} .. {rewards.max():.3f}")


# The seven rules --------------------------------------------------------------------------------------------------

def write_pooling():
    """One-label heads of transformers' own classes. Where a rule's own definition depends on the padding side, the side
    its code pads on counts: the right."""
    llama, bert, xlmr = BASES["llama"], BASES["bert"], BASES["xlm_roberta"]
    eos = llama.config["eos_token_id"]
    score = llama.classifier.score.weight.detach().double().numpy()[0]
    cases = []

    def case(name, base, rule, rewards, config=None):
        rewards = np.asarray(rewards)
        assert np.isfinite(rewards).all()
        cases.append({"name": name, "base": base.name, "pooling": rule, "config": config or {}, "items": base.items,
                      "rewards": rewards.reshape(-1, 2).tolist()})

    for pad, config in ((llama.pad(), {}), (eos, {"pad_token_id": eos})):
        suffix = "" if pad != eos else "_pad_is_eos"
        last = either_side(llama, hf_last_nonpad, pad=pad) @ score
        # transformers itself, batched and padded on the right.
        llama.classifier.config.pad_token_id = pad
        ids, mask = llama.batch(llama.sequences, pad, "right")
        with torch.no_grad():
            theirs = llama.classifier(torch.tensor(ids), attention_mask=torch.tensor(mask)).logits[:, 0].double().numpy()
        assert np.abs(last - theirs).max() < 1e-4, np.abs(last - theirs).max()
        case("hf_last_nonpad" + suffix, llama, '"hf-last-nonpad"', last, config)
        case("hf_legacy_first_pad" + suffix, llama, '"hf-legacy-first-pad"', pooled(llama, hf_legacy_first_pad, pad=pad) @ score, config)
        case("mask_last" + suffix, llama, '"mask-last"', either_side(llama, mask_last, pad=pad) @ score, config)
    case("cls", llama, '"cls"', either_side(llama, first) @ score)
    case("prompt_end", llama, '"prompt-end"', either_side(llama, prompt_end) @ score)
    ended = with_token(llama, 380)
    case("appended_token", llama, "{ appended-token = { id = 380 } }", either_side(llama, last_of(380), sequences=ended) @ score)
    case("appended_token_already_there", llama, f"{{ appended-token = {{ id = {eos} }} }}", either_side(llama, mask_last) @ score)

    def mean(base, side):
        ids, mask = base.batch(base.sequences, base.pad(), side)
        hidden = base.hidden(ids, mask)
        return (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)

    assert np.abs(mean(llama, "right") - mean(llama, "left")).max() < 1e-5
    case("mean", llama, '"mean"', mean(llama, "right") @ score)

    def bert_head(h):
        return bert.classifier.classifier(torch.tanh(bert.classifier.bert.pooler.dense(h)))[:, 0]

    def xlmr_head(h):
        return xlmr.classifier.classifier(h[:, None, :])[:, 0]

    for base, head in ((bert, bert_head), (xlmr, xlmr_head)):
        with torch.no_grad():
            for rule, states in (("cls", pooled(base, first)), ("mean", mean(base, "right"))):
                case(f"{base.name}_{rule}", base, f'"{rule}"', head(torch.tensor(states).float()).double().numpy())
    by_name = {c["name"]: c["rewards"] for c in cases}
    assert by_name["hf_last_nonpad"] != by_name["hf_last_nonpad_pad_is_eos"] != by_name["hf_legacy_first_pad_pad_is_eos"]
    assert np.allclose(by_name["hf_last_nonpad"], by_name["mask_last"])
    write_json(OUT / "pooling.json", {"versions": versions(), "cases": cases})
    print(f"pooling: {len(cases)} cases")


if __name__ == "__main__":
    BASES = {name: Base(name) for name in ("llama", "qwen2", "gemma2", "bert", "xlm_roberta")}
    chosen = sys.argv[1:]
    write_json(OUT / "items.json", {"versions": versions(), "items": [item | {"messages": [list(m) for m in item["messages"]]} for item in ITEMS]})
    for build in HEADS:
        if not chosen or build.__name__ in chosen:
            write_head(build)
    if not chosen or "pooling" in chosen:
        write_pooling()
