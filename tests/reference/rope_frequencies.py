"""Rotary frequencies that transformers computes for the published settings of well-known models.

Writes tests/fixtures/rope.json: per case the config, and per length of a sequence the frequencies (float32, written
exactly) and what cosines and sines are multiplied by.

Run (5 seconds):  python tests/reference/rope_frequencies.py
"""

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

import torch  # noqa: E402
from transformers import LlamaConfig, Phi3Config  # noqa: E402
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding  # noqa: E402
from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding  # noqa: E402

LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}
YARN = {"rope_type": "yarn", "rope_theta": 1000000.0, "factor": 4.0, "original_max_position_embeddings": 32768}
DEEPSEEK = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 40.0, "original_max_position_embeddings": 4096,
            "beta_fast": 32, "beta_slow": 1}


def divisors(n, last, bend):
    """A list of LongRoPE's kind: from 1 upwards."""
    return [round(1.0 + (last - 1.0) * (i / (n - 1)) ** bend, 4) for i in range(n)]


# name: (head width, longest sequence, rope parameters, lengths of sequences)
LLAMAS = {
    "llama_2": (128, 4096, {"rope_type": "default", "rope_theta": 10000.0}, [9]),
    "qwen_3": (128, 40960, {"rope_type": "default", "rope_theta": 1000000.0}, [9]),
    "llama_3_1": (128, 131072, LLAMA3 | {"factor": 8.0}, [9]),
    "llama_3_2": (64, 131072, LLAMA3 | {"factor": 32.0}, [9]),
    "gemma_3_global": (256, 131072, {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 8.0}, [9]),
    "internlm_2": (128, 32768, {"rope_type": "dynamic", "rope_theta": 1000000.0, "factor": 2.0},
                   [9, 32768, 32769, 50000, 65536]),
    "qwen_2_5_yarn": (128, 131072, YARN, [9]),
    "deepseek_mscale": (64, 163840, DEEPSEEK | {"mscale": 1.0, "mscale_all_dim": 0.707}, [9]),
    "deepseek_same_mscale": (64, 163840, DEEPSEEK | {"mscale": 1.0, "mscale_all_dim": 1.0}, [9]),
    "yarn_untruncated": (64, 131072, DEEPSEEK | {"rope_theta": 150000.0, "factor": 32.0, "truncate": False}, [9]),
    "yarn_given_attention": (64, 65536, DEEPSEEK | {"factor": 16.0, "attention_factor": 1.05, "beta_fast": 24.0}, [9]),
}
PHIS = {
    "phi_3_mini_128k": (96, 131072, 4096, {"rope_type": "longrope", "rope_theta": 10000.0,
                                           "short_factor": divisors(48, 2.8, 2), "long_factor": divisors(48, 64.5, 3)},
                        [9, 4096, 4097, 100000]),
    "phi_4_mini": (128, 131072, 4096, {"rope_type": "longrope", "rope_theta": 10000.0, "partial_rotary_factor": 0.75,
                                       "short_factor": [1.0] * 48, "long_factor": divisors(48, 47.8, 2)}, [9, 5000]),
}


def case(name, config, embedding_class, lengths):
    found = []
    for length in lengths:
        embedding = embedding_class(config)
        embedding(torch.zeros(1), torch.tensor([[length - 1]]))
        frequencies = embedding.inv_freq
        assert frequencies.dtype == torch.float32
        found.append({"length": length, "frequencies": frequencies.tolist()})
    kept = ("model_type", "hidden_size", "num_attention_heads", "num_key_value_heads", "num_hidden_layers",
            "intermediate_size", "vocab_size", "max_position_embeddings", "original_max_position_embeddings",
            "head_dim", "rope_parameters")
    written = {key: value for key, value in config.to_dict().items() if key in kept}
    return {"name": name, "config": written, "attention_factor": embedding.attention_scaling, "sequences": found}


if __name__ == "__main__":
    cases = []
    for name, (head, longest, rope, lengths) in LLAMAS.items():
        config = LlamaConfig(hidden_size=head * 2, num_attention_heads=2, num_hidden_layers=1, vocab_size=8,
                             intermediate_size=8, max_position_embeddings=longest, rope_parameters=rope)
        cases.append(case(name, config, LlamaRotaryEmbedding, lengths))
    for name, (head, longest, original, rope, lengths) in PHIS.items():
        config = Phi3Config(hidden_size=head * 2, num_attention_heads=2, num_hidden_layers=1, vocab_size=8,
                            intermediate_size=8, max_position_embeddings=longest, pad_token_id=0, eos_token_id=1,
                            original_max_position_embeddings=original, rope_parameters=rope)
        cases.append(case(name, config, Phi3RotaryEmbedding, lengths))
    write_json(FIXTURES / "rope.json", {
        "versions": versions(), "script": "tests/reference/rope_frequencies.py", "cases": cases})
    for found in cases:
        print(found["name"], found["attention_factor"], [len(s["frequencies"]) for s in found["sequences"]])
