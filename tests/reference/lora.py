"""Adapter fixtures: PEFT adapters over the tiny checkpoints of architectures.py, and the rewards PEFT gives.

Writes tests/fixtures/lora/<case>/ for every case in CASES: adapter_config.json and adapter_model.safetensors as
save_pretrained leaves them (but for the base's path, which becomes relative), and expected.json: rewards of the
pairs in the base's inputs.json, adapter unmerged, float32, eager attention.

Run (15 s on one core, after architectures.py):  python tests/reference/lora.py [case ...]
"""

import json
import shutil
import sys
import warnings

from fixture_files import FIXTURES, one_thread, readable, versions, write_json

one_thread()

import torch  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402
from transformers import AutoModel, AutoModelForSequenceClassification  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
DECODER = [*ATTENTION, "gate_proj", "up_proj", "down_proj"]
ENCODER = ["query", "key", "value", "dense"]

# case: (base, settings of LoraConfig)
CASES = {
    "llama_lora": ("llama", dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"])),
    "llama_rslora": ("llama", dict(r=4, lora_alpha=8, target_modules="all-linear", use_rslora=True)),
    "llama_dora": ("llama", dict(r=4, lora_alpha=6, target_modules=DECODER, use_dora=True)),
    "llama_patterns": ("llama", dict(
        r=4, lora_alpha=8, target_modules=DECODER, use_rslora=True,
        # The first that matches counts; PEFT sorts them when it saves.
        rank_pattern={r"layers\.1\..*[uq]\w*_proj": 6, "q_proj": 2},
        alpha_pattern={r".*\.0\..*proj": 5, "o_proj": 3})),
    "llama_regex": ("llama", dict(r=2, lora_alpha=8, target_modules=r".*layers\.1\.(self_attn\.[qk]|mlp\.up)_proj")),
    "llama_layers": ("llama", dict(r=2, lora_alpha=8, target_modules=ATTENTION, layers_to_transform=[1],
                                   layers_pattern="layers")),
    "llama_exclude": ("llama", dict(r=2, lora_alpha=8, target_modules=DECODER, exclude_modules=r".*\.0\.mlp\..*")),
    "llama_embedding": ("llama", dict(r=4, lora_alpha=8, target_modules=["embed_tokens", "q_proj"])),
    "llama_embedding_dora": ("llama", dict(r=4, lora_alpha=8, target_modules=["embed_tokens"], use_dora=True)),
    "llama_token_rows": ("llama", dict(r=2, lora_alpha=8, target_modules=["v_proj"],
                                       trainable_token_indices=[7, 0, 300])),
    "llama_resized": ("llama", dict(r=2, lora_alpha=8, target_modules=["v_proj"], modules_to_save=["embed_tokens"])),
    # Trained without a head of its own: the base's is used.
    "llama_headless": ("llama", dict(r=2, lora_alpha=8, target_modules=["q_proj"], task_type=None)),
    # Trained on the backbone alone: names without `model.`.
    "llama_bare": ("llama", dict(r=2, lora_alpha=8, target_modules=ATTENTION, layers_to_transform=1,
                                 layers_pattern="layers", task_type="FEATURE_EXTRACTION")),
    "qwen2_lora": ("qwen2", dict(r=4, lora_alpha=8, target_modules=DECODER, bias="lora_only")),
    "qwen2_rslora": ("qwen2", dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], use_rslora=True,
                                   bias="all")),
    "qwen2_dora": ("qwen2", dict(r=4, lora_alpha=8, target_modules=ATTENTION, use_dora=True)),
    "qwen2_lora_bias": ("qwen2", dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], lora_bias=True)),
    "bert_lora": ("bert", dict(r=4, lora_alpha=8, target_modules=["query", "value"])),
    "bert_all_linear": ("bert", dict(r=4, lora_alpha=8, target_modules="all-linear", use_dora=True)),
    "xlm_roberta_rslora": ("xlm_roberta", dict(r=4, lora_alpha=8, target_modules=ENCODER, use_rslora=True)),
    "xlm_roberta_dora": ("xlm_roberta", dict(r=4, lora_alpha=8, target_modules=ENCODER, use_dora=True, bias="all",
                                             rank_pattern={"output.dense": 2})),
    # Layers that join what others keep apart, and a head in front of the head.
    "phi3_dora": ("phi3", dict(r=4, lora_alpha=8, target_modules=["qkv_proj", "gate_up_proj"], use_dora=True)),
    "modernbert_rslora": ("modernbert", dict(r=4, lora_alpha=8, target_modules="all-linear", use_rslora=True)),
    "deberta_v2_lora": ("deberta_v2", dict(r=4, lora_alpha=8, target_modules="all-linear")),
    # Queries, keys and values in one matrix.
    "deberta_lora": ("deberta", dict(r=4, lora_alpha=8, target_modules="all-linear")),
    # For layers stored [out, in] PEFT ignores it.
    "xlm_roberta_fan": ("xlm_roberta", dict(r=4, lora_alpha=8, target_modules=["key"], fan_in_fan_out=True)),
}
# Cases whose adapter is also written as a pickle, as older releases did.
PICKLED = ("qwen2_lora",)


def load_base(case, base):
    kind = AutoModel if case == "llama_bare" else AutoModelForSequenceClassification
    model = kind.from_pretrained(FIXTURES / "arch" / base, dtype=torch.float32, attn_implementation="eager")
    if case == "llama_resized":
        model.resize_token_embeddings(model.config.vocab_size + 8)
    return model.eval()


def randomise(model, seed):
    """An adapter that has learned something: B is not zero, magnitudes, biases and heads are not the base's."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if not parameter.requires_grad:
                continue
            noise = torch.randn(parameter.shape, generator=generator)
            if "lora_magnitude" in name:
                parameter.mul_(1.0 + 0.2 * noise)
            else:
                parameter.add_((0.25 if "lora_" in name else 0.1) * noise)


def rewards(case, model, pairs):
    """[pair, chosen and rejected]."""
    head = None
    if case == "llama_bare":
        head = AutoModelForSequenceClassification.from_pretrained(FIXTURES / "arch/llama", dtype=torch.float32).score
    found = []
    with torch.no_grad():
        for pair in pairs:
            row = []
            for side in ("chosen_ids", "rejected_ids"):
                ids = torch.tensor([pair[side]])
                out = model(ids)
                row.append((out.logits[0, 0] if head is None else head(out.last_hidden_state[0, -1])[0]).item())
            found.append(row)
    return torch.tensor(found)


def dora_gradients(base, directory, pairs):
    """Gradients of the sum of all rewards: that the norm is a constant shows in A, B and the magnitude."""
    model = PeftModel.from_pretrained(load_base("llama_dora", base), directory, is_trainable=True).eval()
    sequences = [pair[side] for pair in pairs for side in ("chosen_ids", "rejected_ids")]
    sum(model(torch.tensor([ids])).logits[0, 0] for ids in sequences).backward()
    found = {}
    for name, parameter in model.named_parameters():
        if any(module in name for module in ("1.mlp.down_proj.lora_", "0.self_attn.k_proj.lora_")):
            name = name.removeprefix("base_model.model.").replace(".default", "").replace("vector.weight", "vector")
            found[name] = parameter.grad.flatten().tolist()
    return found


def write_case(case):
    base, settings = CASES[case]
    directory = FIXTURES / "lora" / case
    shutil.rmtree(directory, ignore_errors=True)
    inputs = json.loads((FIXTURES / "arch" / base / "inputs.json").read_text())
    if case == "llama_bare":  # pools by hand, so the last token must be the pooled one
        last = [pair[side][-1] for pair in inputs["pairs"] for side in ("chosen_ids", "rejected_ids")]
        assert inputs["pad_token_id"] not in last
    torch.manual_seed(0)
    model = get_peft_model(load_base(case, base), LoraConfig(**{"task_type": "SEQ_CLS", **settings})).eval()
    before = rewards(case, load_base(case, base), inputs["pairs"])
    randomise(model, seed=sum(map(ord, case)))
    model.save_pretrained(directory, save_embedding_layers=False if case == "llama_token_rows" else "auto")
    (directory / "README.md").unlink(missing_ok=True)
    again = PeftModel.from_pretrained(load_base(case, base), directory).eval()
    expected = rewards(case, again, inputs["pairs"])
    assert torch.equal(expected, rewards(case, model, inputs["pairs"])), "the saved adapter differs"
    merged = rewards(case, again.merge_and_unload().eval(), inputs["pairs"])

    extra = {"gradients": dora_gradients(base, directory, inputs["pairs"])} if case == "llama_dora" else {}
    path = directory / "adapter_config.json"
    config = json.loads(path.read_text()) | {"base_model_name_or_path": f"../../arch/{base}"}
    for key, value in config.items():  # sets are saved in any order
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            config[key] = sorted(value)
    write_json(path, config)
    write_json(directory / "expected.json", {
        "versions": versions("peft"), "script": "tests/reference/lora.py", "base": base,
        "rewards": expected.tolist(), **extra,
    })
    if case in PICKLED:
        from safetensors.torch import load_file

        torch.save(load_file(directory / "adapter_model.safetensors"), directory / "adapter_model.bin")
    readable(*directory.iterdir())
    change, difference = (expected - before).abs(), (expected - merged).abs().max().item()
    assert change.max() > 1e-2, "the adapter changes nothing"
    size = sum(f.stat().st_size for f in directory.iterdir())
    print(f"{case}: {size / 1000:.0f} kB, rewards change by up to {change.max():.2f}, "
          f"merged differs by {difference:.1e}")


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for chosen in sys.argv[1:] or CASES:
            write_case(chosen)
