"""Parity fixtures of further decoders and kinds of rotary positions, made by the machinery of architectures.py.

Writes tests/fixtures/arch/<name>/ for every name in DECODERS, and for internlm2.

transformers has no classifiers of Cohere's models; here they are its generic classifier on them, as for its other
decoders. It has no InternLM2 at all: see internlm2.py.

Run (two minutes on one core):  python tests/reference/decoders.py [name ...]
"""

import json
import sys

import architectures
import internlm2
import tiny_tokenizers
import torch
from architectures import DECODER, run_alone, write_architecture
from fixture_files import readable, write_json, write_tensors
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Cohere2Config,
    CohereConfig,
    Gemma2Config,
    Gemma3Config,
    Gemma3TextConfig,
    GemmaConfig,
    LlamaConfig,
    MixtralConfig,
    Olmo2Config,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
)
from transformers.modeling_layers import GenericForSequenceClassification
from transformers.models.cohere2.modeling_cohere2 import Cohere2PreTrainedModel
from transformers.models.cohere.modeling_cohere import CoherePreTrainedModel


class CohereForSequenceClassification(GenericForSequenceClassification, CoherePreTrainedModel):
    pass


class Cohere2ForSequenceClassification(GenericForSequenceClassification, Cohere2PreTrainedModel):
    pass


AutoModelForSequenceClassification.register(CohereConfig, CohereForSequenceClassification, exist_ok=True)
AutoModelForSequenceClassification.register(Cohere2Config, Cohere2ForSequenceClassification, exist_ok=True)

YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 32}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}
LINEAR = {"rope_type": "linear", "rope_theta": 1e6, "factor": 4.0}
# Six frequencies: three quarters of a head of 16 turn.
LONGROPE = {"rope_type": "longrope", "rope_theta": 10000.0, "partial_rotary_factor": 0.75,
            "short_factor": [1.0, 1.0, 1.1, 1.2, 1.4, 1.5], "long_factor": [1.0, 1.3, 2.0, 3.5, 4.5, 6.0]}
GEMMA3_ROPE = {"full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
               "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}
GEMMA3 = DECODER | dict(intermediate_size=48, head_dim=16, query_pre_attn_scalar=20, sliding_window=16,
                        rope_parameters=GEMMA3_ROPE)
VISION = dict(model_type="siglip_vision_model", hidden_size=8, intermediate_size=8, num_hidden_layers=1,
              num_attention_heads=1, image_size=8, patch_size=4)

DECODERS = {
    "gemma": (GemmaConfig, DECODER | dict(head_dim=16), "llama3_like"),
    # A cap of 5 bends scores of this size well; the window is shorter than most prompts.
    "gemma2": (Gemma2Config, DECODER | dict(num_hidden_layers=3, intermediate_size=48, head_dim=16, sliding_window=16,
                                            query_pre_attn_scalar=24, attn_logit_softcapping=5.0), "llama3_like"),
    "gemma3_text": (Gemma3TextConfig, GEMMA3 | dict(
        num_hidden_layers=3, layer_types=["sliding_attention", "sliding_attention", "full_attention"]), "llama3_like"),
    "gemma3": (Gemma3Config, dict(
        text_config=GEMMA3 | dict(layer_types=["sliding_attention", "full_attention"]), vision_config=VISION,
        mm_tokens_per_image=1), "llama3_like"),
    "phi3": (Phi3Config, DECODER | dict(num_attention_heads=2, num_key_value_heads=1, rms_norm_eps=1e-5,
                                        sliding_window=40, original_max_position_embeddings=32,
                                        rope_parameters=LONGROPE), "mistral_like"),
    "mixtral": (MixtralConfig, DECODER | dict(intermediate_size=24, rms_norm_eps=1e-5, rope_theta=1e6,
                                              num_local_experts=5, num_experts_per_tok=2), "mistral_like"),
    "olmo2": (Olmo2Config, DECODER | dict(rms_norm_eps=1e-6, rope_theta=500000.0), "qwen2_like"),
    "cohere": (CohereConfig, DECODER | dict(use_qk_norm=True, rope_theta=10000.0, logit_scale=0.0625), "mistral_like"),
    "cohere2": (Cohere2Config, DECODER | dict(num_hidden_layers=4, intermediate_size=48, rope_theta=50000.0,
                                              sliding_window=16, logit_scale=0.25), "mistral_like"),
    # One layer of two slides.
    "qwen2_yarn": (Qwen2Config, DECODER | dict(num_attention_heads=2, num_key_value_heads=1, rope_parameters=YARN,
                                               use_sliding_window=True, sliding_window=16, max_window_layers=1,
                                               tie_word_embeddings=True), "qwen2_like"),
    "qwen3_linear": (Qwen3Config, DECODER | dict(head_dim=16, attention_bias=True, rope_parameters=LINEAR),
                     "qwen2_like"),
    "llama_dynamic": (LlamaConfig, DECODER | dict(head_dim=12, attention_bias=True, mlp_bias=True,
                                                  max_position_embeddings=32, rope_parameters=DYNAMIC), "llama3_like"),
}
architectures.ARCHITECTURES |= DECODERS


def make_internlm2(name, directory):
    """Stands in for architectures.make_checkpoint."""
    tokenizer = tiny_tokenizers.mistral_like()
    specials = {key: getattr(tokenizer, key) for key in ("pad_token_id", "bos_token_id", "eos_token_id")}
    config = internlm2.CONFIG | specials | {"reward_token_id": tokenizer.unk_token_id}
    write_json(directory / "config.json", config)
    model = internlm2.InternLM2ForRewardModel(config)
    architectures.randomise(model, seed=sum(map(ord, name)))
    write_tensors(directory / "model.safetensors", dict(model.named_parameters()))
    tokenizer.save_pretrained(directory)
    readable(*directory.iterdir())
    return AutoTokenizer.from_pretrained(directory)


def encode_with_reward_token(name, tokenizer):
    """Stands in for architectures.encode_pairs: the reward token follows the conversation."""
    pairs = encode_pairs(name, tokenizer)
    for pair in pairs:
        for side in ("chosen", "rejected"):
            pair[f"{side}_ids"] = pair[f"{side}_ids"] + [tokenizer.unk_token_id]
    return pairs


def write_internlm2():
    architectures.ARCHITECTURES["internlm2"] = (None, {}, "mistral_like")
    architectures.make_checkpoint = make_internlm2
    architectures.encode_pairs = encode_with_reward_token
    architectures.load = lambda directory, dtype=torch.float32, attention="eager": internlm2.load(
        directory, dtype, attention)
    write_architecture("internlm2")
    directory = architectures.FIXTURES / "arch" / "internlm2"
    ours, theirs = architectures.load(directory), internlm2.as_llama(directory)
    for pair in json.loads((directory / "inputs.json").read_text())["pairs"]:
        for side in ("chosen", "rejected"):
            (reward, hidden), (expected, states) = (run_alone(m, pair[f"{side}_ids"]) for m in (ours, theirs))
            assert (reward - expected).abs() < 3e-6 and (hidden - states).abs().max() < 1e-5, pair["name"]


encode_pairs = architectures.encode_pairs

if __name__ == "__main__":
    chosen = sys.argv[1:] or [*DECODERS, "internlm2"]
    for name in chosen:
        if name != "internlm2":
            write_architecture(name)
    if "internlm2" in chosen:
        write_internlm2()
