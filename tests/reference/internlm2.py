"""InternLM2 reward models, forward pass: transformers has no class for them.

Written from the published formula: a Llama block whose queries, keys and values are one matrix, laid out per key head as
its query heads, its key, its value; names of its own; dynamic NTK positions; the reward is a linear layer on the last
token, which is a token of its own (`reward_token_id`) appended to the conversation.

`as_llama` gives the same weights as a transformers Llama, which must compute the same numbers.
"""

import json
from types import SimpleNamespace

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import scaled_dot_product_attention, silu

CONFIG = {
    "architectures": ["InternLM2ForRewardModel"], "model_type": "internlm2", "vocab_size": 384, "hidden_size": 32,
    "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "rope_scaling": {"type": "dynamic", "factor": 2.0}, "bias": False, "hidden_act": "silu", "initializer_range": 0.02,
    "tie_word_embeddings": False, "torch_dtype": "float32", "use_cache": False,
    "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0},
}


class RmsNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        wide = x.to(torch.float32)
        return self.weight * (wide / (wide.square().mean(-1, keepdim=True) + self.eps).sqrt()).to(x.dtype)


def turn(x, angles):
    """Rotates dimensions (i, i + k/2) of x [batch, head, time, k] by angles [time, k/2]."""
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def frequencies(config, width, length):
    """θ^(−2i/k), with a larger θ where the sequence is longer than those of pre-training."""
    theta, limit, factor = config["rope_theta"], config["max_position_embeddings"], config["rope_scaling"]["factor"]
    if length > limit:
        theta *= (factor * length / limit - (factor - 1)) ** (width / (width - 2))
    return theta ** -(torch.arange(0, width, 2, dtype=torch.float64) / width)


class Attention(nn.Module):
    def __init__(self, config, kernel):
        super().__init__()
        width, self.groups = config["hidden_size"], config["num_key_value_heads"]
        self.per_group = config["num_attention_heads"] // self.groups
        self.head = width // config["num_attention_heads"]
        self.wqkv = nn.Linear(width, self.groups * (self.per_group + 2) * self.head, bias=False)
        self.wo = nn.Linear(width, width, bias=False)
        self.kernel = kernel

    def forward(self, x, angles, mask):
        batch, time, width = x.shape
        parts = self.wqkv(x).view(batch, time, self.groups, self.per_group + 2, self.head)
        q, k, v = parts.split([self.per_group, 1, 1], 3)
        q = turn(q.flatten(2, 3).transpose(1, 2), angles)
        k = turn(k.squeeze(3).transpose(1, 2), angles).repeat_interleave(self.per_group, 1)
        v = v.squeeze(3).transpose(1, 2).repeat_interleave(self.per_group, 1)
        if self.kernel == "sdpa":
            out = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        else:
            scores = (q @ k.transpose(2, 3)) * self.head**-0.5
            out = scores.masked_fill(~mask, -torch.inf).softmax(-1, dtype=torch.float32).to(q.dtype) @ v
        return self.wo(out.transpose(1, 2).reshape(batch, time, width))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        self.w1, self.w3 = nn.Linear(width, inner, bias=False), nn.Linear(width, inner, bias=False)
        self.w2 = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        return self.w2(silu(self.w1(x)) * self.w3(x))


class Layer(nn.Module):
    def __init__(self, config, kernel):
        super().__init__()
        self.attention_norm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])
        self.attention = Attention(config, kernel)
        self.ffn_norm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])
        self.feed_forward = FeedForward(config)

    def forward(self, x, angles, mask):
        x = x + self.attention(self.attention_norm(x), angles, mask)
        return x + self.feed_forward(self.ffn_norm(x))


class Model(nn.Module):
    def __init__(self, config, kernel):
        super().__init__()
        self.config = config
        self.tok_embeddings = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList(Layer(config, kernel) for _ in range(config["num_hidden_layers"]))
        self.norm = RmsNorm(config["hidden_size"], config["rms_norm_eps"])

    def forward(self, input_ids, attention_mask=None, use_cache=False):
        assert attention_mask is None or attention_mask.all(), "a sequence is computed alone"
        time = input_ids.shape[1]
        width = self.config["hidden_size"] // self.config["num_attention_heads"]
        angles = torch.arange(time)[:, None] * frequencies(self.config, width, time).to(torch.float32)
        mask = torch.ones(time, time, dtype=torch.bool).tril()
        x = self.tok_embeddings(input_ids)
        for layer in self.layers:
            x = layer(x, angles, mask)
        return SimpleNamespace(last_hidden_state=self.norm(x))


class InternLM2ForRewardModel(nn.Module):
    """Looks like a transformers classifier to architectures.py, as far as that looks."""

    def __init__(self, config, kernel="eager"):
        super().__init__()
        self.model = Model(config, kernel)
        self.v_head = nn.Linear(config["hidden_size"], 1, bias=False)
        text = SimpleNamespace(rope_parameters={"rope_type": "dynamic"})
        self.config = SimpleNamespace(num_labels=1, model_type="internlm2", get_text_config=lambda: text)

    @property
    def base_model(self):
        return self.model

    def forward(self, input_ids, attention_mask=None, use_cache=False):
        hidden = self.model(input_ids, attention_mask).last_hidden_state
        return SimpleNamespace(logits=self.v_head(hidden[:, -1]))


def load(directory, dtype, kernel):
    config = json.loads((directory / "config.json").read_text())
    model = InternLM2ForRewardModel(config, kernel)
    model.load_state_dict(load_file(directory / "model.safetensors"), strict=True)
    return model.to(dtype).eval()


def as_llama(directory):
    """The same model as LlamaForSequenceClassification: rows of `wqkv` regrouped, tensors renamed."""
    from transformers import LlamaConfig, LlamaForSequenceClassification

    config = json.loads((directory / "config.json").read_text())
    keys = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
            "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "rope_theta", "pad_token_id")
    rope = {"rope_type": "dynamic", "factor": config["rope_scaling"]["factor"], "rope_theta": config["rope_theta"]}
    llama = LlamaForSequenceClassification(LlamaConfig(
        **{key: config[key] for key in keys}, rope_parameters=rope, num_labels=1, attn_implementation="eager"))
    renamed = {"tok_embeddings": "embed_tokens", "attention.wo": "self_attn.o_proj", "feed_forward.w1": "mlp.gate_proj",
               "feed_forward.w3": "mlp.up_proj", "feed_forward.w2": "mlp.down_proj",
               "attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "v_head": "score"}
    groups = config["num_key_value_heads"]
    per_group = config["num_attention_heads"] // groups
    tensors = {}
    for name, tensor in load_file(directory / "model.safetensors").items():
        if "attention.wqkv" in name:
            width = tensor.shape[1]
            parts = tensor.view(groups, per_group + 2, -1, width).split([per_group, 1, 1], 1)
            for letter, part in zip("qkv", parts):
                tensors[name.replace("attention.wqkv", f"self_attn.{letter}_proj")] = part.reshape(-1, width)
            continue
        for theirs, llamas in renamed.items():
            name = name.replace(theirs, llamas)
        tensors[name] = tensor
    llama.load_state_dict(tensors, strict=True)
    return llama.eval()
