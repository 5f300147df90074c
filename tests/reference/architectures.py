"""Parity fixtures of the backbones: tiny sequence-classification checkpoints and what transformers computes on them.

Writes tests/fixtures/arch/<name>/ for every name in ARCHITECTURES: a checkpoint as save_pretrained leaves it,
`inputs.json`, `expected.safetensors`, `meta.json`.

Run (about a minute on one core):  python tests/reference/architectures.py [name ...]
Further decoders and kinds of rotary positions: decoders.py, which uses what is here.
"""

import contextlib
import json
import shutil
import sys

from fixture_files import FIXTURES, one_thread, readable, versions, write_json, write_tensors

one_thread()

import tiny_tokenizers  # noqa: E402
import torch  # noqa: E402
from invented_texts import PAIRS, SENTENCES  # noqa: E402
from torch.nn.functional import logsigmoid  # noqa: E402
from transformers import (  # noqa: E402
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    DebertaConfig,
    DebertaV2Config,
    LlamaConfig,
    MistralConfig,
    ModernBertConfig,
    Qwen2Config,
    Qwen3Config,
    RobertaConfig,
    Trainer,
    XLMRobertaConfig,
    get_scheduler,
)
from transformers.models.modernbert import modeling_modernbert  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()

DECODER = dict(vocab_size=384, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
               num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=False, use_cache=False)
ENCODER = dict(vocab_size=500, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
               hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout=0.0)
SMALL = dict(hidden_size=16, intermediate_size=24, num_attention_heads=2)
# DeBERTa as in v3 and mDeBERTa, but with spans that short texts exceed.
DEBERTA = ENCODER | dict(max_position_embeddings=32, type_vocab_size=0, layer_norm_eps=1e-7, relative_attention=True,
                         max_relative_positions=-1, position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True,
                         pos_att_type="p2c|c2p", position_biased_input=False, pooler_dropout=0,
                         pooler_hidden_act="gelu")
MODERN = dict(vocab_size=384, hidden_size=32, intermediate_size=32, num_hidden_layers=4, num_attention_heads=4,
              max_position_embeddings=1024, local_attention=16, norm_eps=1e-5)
LLAMA3_ROPE = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0, "original_max_position_embeddings": 64}

# name: (config class, its settings, tokenizer builder)
ARCHITECTURES = {
    "llama": (LlamaConfig, DECODER | dict(rms_norm_eps=1e-5, rope_theta=10000.0), "llama3_like"),
    "llama_rope3": (LlamaConfig, DECODER | dict(rms_norm_eps=1e-5, rope_parameters=LLAMA3_ROPE), "llama3_like"),
    "qwen2": (Qwen2Config, DECODER | dict(rms_norm_eps=1e-6, rope_theta=1e6, use_sliding_window=False), "qwen2_like"),
    "qwen3": (Qwen3Config, DECODER | dict(rms_norm_eps=1e-6, rope_theta=1e6, head_dim=16, attention_bias=False),
              "qwen2_like"),
    "mistral": (MistralConfig, DECODER | dict(rms_norm_eps=1e-5, rope_theta=10000.0, num_hidden_layers=3,
                                              intermediate_size=48, sliding_window=16), "mistral_like"),
    "bert": (BertConfig, ENCODER | dict(max_position_embeddings=128, type_vocab_size=2, layer_norm_eps=1e-12),
             "bert_like"),
    "xlm_roberta": (XLMRobertaConfig, ENCODER | dict(max_position_embeddings=130, type_vocab_size=1,
                                                     layer_norm_eps=1e-5), "xlm_roberta_like"),
    "roberta": (RobertaConfig, ENCODER | dict(vocab_size=384, max_position_embeddings=130, type_vocab_size=1,
                                              layer_norm_eps=1e-5, hidden_act="gelu_new"), "roberta_like"),
    "bert_relu": (BertConfig, ENCODER | SMALL | dict(max_position_embeddings=64, type_vocab_size=4,
                                                     layer_norm_eps=1e-12, hidden_act="relu"), "bert_like"),
    "deberta_v2": (DebertaV2Config, DEBERTA, "deberta_v2_like"),
    # As in v2-xlarge: a convolution after the first layer.
    "deberta_v2_conv": (DebertaV2Config, DEBERTA | SMALL | dict(
        num_hidden_layers=3, position_buckets=16, max_relative_positions=24, conv_kernel_size=3, conv_act="gelu",
        attention_head_size=8), "deberta_v2_like"),
    # A kernel over five tokens in two groups, and everything that the checkpoints in use have switched off: projections
    # of their own, no buckets, raw relative embeddings, absolute positions, token types, narrow embeddings.
    "deberta_v2_separate": (DebertaV2Config, DEBERTA | dict(
        share_att_key=False, pos_att_type=["c2p", "p2c"], position_buckets=-1, max_relative_positions=12,
        norm_rel_ebd="none", position_biased_input=True, max_position_embeddings=64, type_vocab_size=2,
        embedding_size=24, hidden_act="gelu_new", pooler_hidden_act="tanh", conv_kernel_size=5, conv_groups=2),
        "deberta_v2_like"),
    "deberta_v2_c2p": (DebertaV2Config, DEBERTA | SMALL | dict(
        share_att_key=False, pos_att_type=["c2p"], position_buckets=12), "deberta_v2_like"),
    "deberta_v2_p2c": (DebertaV2Config, DEBERTA | SMALL | dict(pos_att_type=["p2c"]), "deberta_v2_like"),
    "deberta_v2_absolute": (DebertaV2Config, ENCODER | SMALL | dict(
        max_position_embeddings=64, relative_attention=False, pos_att_type=["c2p"]), "deberta_v2_like"),
    "deberta": (DebertaConfig, ENCODER | dict(
        vocab_size=384, max_position_embeddings=32, type_vocab_size=0, layer_norm_eps=1e-7, relative_attention=True,
        max_relative_positions=-1, pos_att_type="c2p|p2c", position_biased_input=False), "roberta_like"),
    "modernbert": (ModernBertConfig, MODERN | dict(global_rope_theta=160000.0, local_rope_theta=10000.0),
                   "modernbert_like"),
    # With every bias, other activations, an own order of layers, and one theta as in mmBERT.
    "modernbert_mean": (ModernBertConfig, MODERN | dict(
        num_hidden_layers=3, layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        local_attention=12, global_rope_theta=160000.0, local_rope_theta=160000.0, attention_bias=True, mlp_bias=True,
        norm_bias=True, classifier_bias=True, hidden_activation="silu", classifier_activation="gelu_new",
        classifier_pooling="mean"), "modernbert_like"),
}
ENCODERS = tuple(name for name in ARCHITECTURES if name.startswith(("bert", "deberta", "modernbert", "roberta", "xlm")))
# Those whose positions have no end before this many tokens get one long text.
LONG, LONG_TOKENS = ("deberta_v2", "deberta_v2_conv", "deberta", "modernbert", "modernbert_mean"), 400
# No SDPA in transformers.
EAGER_ONLY = tuple(name for name in ARCHITECTURES if name.startswith("deberta"))
ATTENTION = "eager"
LAYERS_OF = ("long_shared_prefix", "chosen")
STEPS, WARMUP, LEARNING_RATE, WEIGHT_DECAY, CLIP = 10, 3, 1e-3, 0.01, 1.0
PLAIN = ["ok", "Yes, no", "שלום 👍🏽"]


def randomise(model, seed):
    """Non-trivial weights: matrices std 0.2 (embeddings 0.5), norm weights around 1 (Gemma stores offsets from it),
    biases std 0.1."""
    generator = torch.Generator().manual_seed(seed)
    center = 0.0 if "Gemma" in type(model).__name__ else 1.0
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name.lower() and name.endswith("weight"):
                parameter.copy_(center + 0.2 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.1 * noise)
            else:
                parameter.copy_((0.5 if "embed" in name else 0.2) * noise)


def make_checkpoint(name, directory):
    """Saves the checkpoint and returns what AutoTokenizer makes of it."""
    config_class, settings, builder = ARCHITECTURES[name]
    tokenizer = getattr(tiny_tokenizers, builder)()
    specials = {key: getattr(tokenizer, key) for key in ("pad_token_id", "bos_token_id", "eos_token_id")}
    if "text_config" in settings:
        settings = settings | {"text_config": settings["text_config"] | specials}
    if config_class is ModernBertConfig:
        specials |= {key: getattr(tokenizer, key) for key in ("cls_token_id", "sep_token_id")}
    config = config_class(**settings, **specials, num_labels=1)
    vocabulary = config.get_text_config().vocab_size
    assert len(tokenizer) == vocabulary, (len(tokenizer), vocabulary)
    model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    randomise(model, seed=sum(map(ord, name)))
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    readable(*directory.iterdir())
    reloaded = AutoTokenizer.from_pretrained(directory)
    for text in [*PLAIN, *(p + c for _, p, c, _ in PAIRS)]:
        assert reloaded(text)["input_ids"] == tokenizer(text)["input_ids"], "the saved tokenizer differs"
    assert reloaded.pad_token_id is not None and reloaded.pad_token_id != reloaded.eos_token_id
    return reloaded


def load(directory, dtype=torch.float32, attention=ATTENTION):
    model, info = AutoModelForSequenceClassification.from_pretrained(
        directory, dtype=dtype, attn_implementation=attention, output_loading_info=True,
        **({"experts_implementation": "eager"} if "mixtral" in directory.name else {}))
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    assert model.config.num_labels == 1
    return model.eval()


def write_v4_config(name, directory):
    """The same config in the keys of transformers 4 (rope_theta, rope_scaling, torch_dtype), checked by loading it."""
    config = json.loads((directory / "config.json").read_text())
    text = config.get("text_config", config)
    rope = text.pop("rope_parameters", None)
    if rope is None:
        return
    if "full_attention" in rope and name in ENCODERS:
        write_v4_modernbert(config, rope, directory)
        return
    if "sliding_attention" in rope:
        text["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = rope["full_attention"]
    text["rope_theta"] = rope.pop("rope_theta")
    if "partial_rotary_factor" in rope:
        text["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    if "original_max_position_embeddings" in text:
        del rope["original_max_position_embeddings"]
    text["rope_scaling"] = rope if rope.get("rope_type", "default") != "default" else None
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.51.0"
    write_json(directory / "config_v4.json", config)
    again = ARCHITECTURES[name][0].from_dict(json.loads(json.dumps(config))).get_text_config()
    now = ARCHITECTURES[name][0].from_pretrained(directory).get_text_config()
    assert again.rope_parameters == now.rope_parameters, (again.rope_parameters, now.rope_parameters)


def write_v4_modernbert(config, rope, directory):
    config["global_rope_theta"] = rope["full_attention"]["rope_theta"]
    config["local_rope_theta"] = rope["sliding_attention"]["rope_theta"]
    layer_types = config.pop("layer_types")
    config["global_attn_every_n_layers"] = 3
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.51.0"
    again = ModernBertConfig.from_dict(config)
    if again.layer_types != layer_types:
        return  # version 4 has no words for this order
    write_json(directory / "config_v4.json", config)
    assert again.rope_parameters == ModernBertConfig.from_pretrained(directory).rope_parameters


def encode_pairs(name, tokenizer):
    """Ids of every full sequence as used, and of TRL's plain-text rule (EOS text appended unless it is there)."""
    pairs = []
    for pair_name, prompt, chosen, rejected in PAIRS:
        entry = {"name": pair_name, "prompt": prompt, "chosen": chosen, "rejected": rejected}
        for side, response in (("chosen", chosen), ("rejected", rejected)):
            text = prompt + response
            if name not in ENCODERS:
                messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
                entry[f"{side}_rendered"] = tokenizer.apply_chat_template(messages, tokenize=False)
                ids = tokenizer.apply_chat_template(messages, return_dict=True)["input_ids"]
            else:
                ids = tokenizer(text)["input_ids"]
            entry[f"{side}_ids"] = ids
            entry[f"{side}_plain_ids"] = tokenizer(text)["input_ids"]
            if tokenizer.eos_token is not None:
                eos = "" if response.endswith(tokenizer.eos_token) else tokenizer.eos_token
                entry[f"{side}_trl_plain_ids"] = tokenizer(text + eos)["input_ids"]
        a, b = entry["chosen_ids"], entry["rejected_ids"]
        entry["common_prefix_tokens"] = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        pairs.append(entry)
    return pairs


def padded(sequences, pad_id, side="right"):
    longest = max(map(len, sequences))
    ids = torch.full((len(sequences), longest), pad_id)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        span = slice(0, len(sequence)) if side == "right" else slice(longest - len(sequence), longest)
        ids[row, span] = torch.tensor(sequence)
        mask[row, span] = 1
    return {"input_ids": ids, "attention_mask": mask}


def run_alone(model, ids):
    """Reward and last hidden states [T, d] of one sequence without padding."""
    batch = padded([ids], 0)
    with torch.no_grad():
        hidden = fresh(model).base_model(**batch).last_hidden_state[0]
        return model(**batch).logits[0, 0], hidden


def depends_on_length(model):
    """Whether rotary frequencies change with the length of the batch (dynamic, longrope)."""
    rope = getattr(model.config.get_text_config(), "rope_parameters", None) or {}
    return rope.get("rope_type") in ("dynamic", "longrope")


def fresh(model):
    """The model before it has seen a long sequence: dynamic frequencies are kept from the longest one so far."""
    rotary = getattr(model.base_model, "rotary_emb", None)
    if rotary is not None and getattr(rotary, "rope_type", None) == "dynamic":
        rotary.max_seq_len_cached = rotary.original_max_seq_len
        rotary.inv_freq = rotary.original_inv_freq
    return model


def layers_of(model):
    base = model.base_model
    return base.encoder.layer if hasattr(base, "encoder") else getattr(base, "language_model", base).layers


def layer_outputs(model, ids):
    """Input of the first layer and the raw output of every layer (before any final norm)."""
    layers = layers_of(model)
    seen = {}
    hooks = [layers[0].register_forward_pre_hook(lambda _, args: seen.update({"layer.embeddings": args[0][0]}))]
    for i, layer in enumerate(layers):
        def keep(_, __, output, i=i):
            seen[f"layer.{i}"] = (output[0] if isinstance(output, tuple) else output)[0]
        hooks.append(layer.register_forward_hook(keep))
    convolution = getattr(getattr(model.base_model, "encoder", None), "conv", None)
    if convolution is not None:  # part of the first layer
        hooks.append(convolution.register_forward_hook(lambda _, __, output: seen.update({"layer.0": output[0]})))
    run_alone(model, ids)
    for hook in hooks:
        hook.remove()
    return seen


def bradley_terry(model, batch):
    if depends_on_length(model):
        # A reward is what a sequence gets alone, whatever else is in the batch.
        rows = zip(batch["input_ids"], batch["attention_mask"].bool())
        rewards = torch.stack([fresh(model)(ids[mask][None], use_cache=False).logits[0, 0] for ids, mask in rows])
    else:
        rewards = model(**batch, use_cache=False).logits[:, 0]
    chosen, rejected = rewards.chunk(2)
    return -logsigmoid(chosen - rejected).mean()


def text_parameters(model, among=None):
    """Parameters that text passes through, by the names of the text model (Gemma 3 has a vision tower besides)."""
    for name, parameter in model.named_parameters():
        vision = any(part in name for part in ("vision_tower.", "multi_modal_projector."))
        if not vision and (among is None or name in among):
            yield name.replace("model.language_model.", "model."), parameter


def decays(name):
    return "norm" not in name.lower() and "bias" not in name.lower()


def assert_trainer_decays_the_same(model):
    """transformers.Trainer groups parameters by layer type and name patterns; here that is the same rule."""
    theirs = set(Trainer.get_decay_parameter_names(None, model))
    assert {n for n, _ in text_parameters(model, theirs)} == {n for n, _ in text_parameters(model) if decays(n)}, theirs


def ten_steps(model, batch):
    """torch.optim.AdamW with two groups, clipping, linear schedule with warm-up; one full batch per step."""
    named = list(text_parameters(model))
    optimizer = torch.optim.AdamW(
        [{"params": [p for n, p in named if decays(n)], "weight_decay": WEIGHT_DECAY},
         {"params": [p for n, p in named if not decays(n)], "weight_decay": 0.0}],
        lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8)
    schedule = get_scheduler("linear", optimizer, num_warmup_steps=WARMUP, num_training_steps=STEPS)
    losses, norms, rates = [], [], []
    for _ in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        loss = bradley_terry(model, batch)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP))
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    return torch.stack(losses), torch.stack(norms), torch.tensor(rates, dtype=torch.float64)


@contextlib.contextmanager
def no_narrowing(dtype):
    """The modelling code casts norms and softmax to `torch.float32` by name, or by `.float()`; in a float64 run these
    must mean float64, else the run is no more exact than float32 (and eager masks of float64's minimum overflow to
    NaN). The cos/sin tables of RoPE stay float32: they come from integer positions and are part of the definition."""
    narrow, to_float = torch.float32, torch.Tensor.float
    turn = modeling_modernbert.apply_rotary_pos_emb
    torch.float32 = dtype
    torch.Tensor.float = lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else to_float(tensor)
    if dtype == torch.float64:
        modeling_modernbert.apply_rotary_pos_emb = turn_without_narrowing
    try:
        yield
    finally:
        torch.float32, torch.Tensor.float = narrow, to_float
        modeling_modernbert.apply_rotary_pos_emb = turn


def turn_without_narrowing(query, key, cos, sin, unsqueeze_dim=1):
    """ModernBERT's rotation, which casts queries and keys to float32."""
    half = modeling_modernbert.rotate_half
    cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
    return query * cos + half(query) * sin, key * cos + half(key) * sin


def compute(directory, pairs, pad_id, dtype, attention=ATTENTION):
    """Everything that is expected, in one dtype."""
    model = load(directory, dtype, attention)
    with no_narrowing(dtype):
        out = compute_with(model, pairs, pad_id)
    assert all(tensor.isfinite().all() for tensor in out.values())
    return out


def compute_with(model, pairs, pad_id):
    out = {}
    rewards = []
    for i, pair in enumerate(pairs):
        for side in ("chosen", "rejected"):
            reward, hidden = run_alone(model, pair[f"{side}_ids"])
            rewards.append(reward)
            out[f"hidden.{i}.{side}"] = hidden
            if (pair["name"], side) == LAYERS_OF:
                out |= layer_outputs(model, pair[f"{side}_ids"])
    out["rewards"] = torch.stack(rewards).view(len(pairs), 2)

    sequences = [pair["chosen_ids"] for pair in pairs] + [pair["rejected_ids"] for pair in pairs]
    batch = padded(sequences, pad_id)
    loss = bradley_terry(model, batch)
    loss.backward()
    out["loss"] = loss.detach()
    for name, parameter in text_parameters(model):
        assert parameter.grad is not None, name
        out[f"grad.{name}"] = parameter.grad.clone()
    losses, norms, rates = ten_steps(model, batch)
    out |= {"loss_per_step": losses, "grad_norm_per_step": norms, "lr_per_step": rates}
    for name, parameter in text_parameters(model):
        out[f"final.{name}"] = parameter.detach()
    return apart(out)


def apart(tensors):
    """Tensors of a mixture of experts under the names that save_pretrained gives them: one matrix per expert."""
    found = {}
    for name, tensor in tensors.items():
        place, _, what = name.rpartition(".mlp.experts.")
        if what == "gate_up_proj":
            for number, both in enumerate(tensor):
                gate, up = both.chunk(2)
                found[f"{place}.block_sparse_moe.experts.{number}.w1.weight"] = gate
                found[f"{place}.block_sparse_moe.experts.{number}.w3.weight"] = up
        elif what == "down_proj":
            for number, down in enumerate(tensor):
                found[f"{place}.block_sparse_moe.experts.{number}.w2.weight"] = down
        else:
            found[name.replace(".mlp.gate.weight", ".block_sparse_moe.gate.weight")] = tensor
    return found


def batched_rewards(directory, pairs, pad_id, side):
    model = load(directory)
    if depends_on_length(model):
        return None  # a batch takes the frequencies of its longest sequence: another computation
    sequences = [pair[f"{which}_ids"] for pair in pairs for which in ("chosen", "rejected")]
    batch = padded(sequences, pad_id, side)
    if side == "left" and directory.name in ENCODERS and directory.name != "modernbert_mean":
        return None  # absolute positions, or the head, count from the left edge: left padding is another computation
    if side == "left":
        batch["position_ids"] = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    with torch.no_grad():
        return model(**batch).logits.view(len(pairs), 2)


def scaled_difference(a, b):
    return ((a.double() - b.double()).abs() / b.double().abs().clamp(min=1.0)).max().item()


def write_architecture(name):
    directory = FIXTURES / "arch" / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    tokenizer = make_checkpoint(name, directory)
    write_v4_config(name, directory)
    pad_id = tokenizer.pad_token_id

    pairs = encode_pairs(name, tokenizer)
    expected = compute(directory, pairs, pad_id, torch.float32)
    exact = compute(directory, pairs, pad_id, torch.float64)
    # Gemma 2 has no other kernel (none of the fused ones can cap scores); some encoders have one kernel only.
    has_sdpa = name not in EAGER_ONLY and getattr(type(load(directory)), "_supports_sdpa", True)
    sdpa = compute(directory, pairs, pad_id, torch.float32, "sdpa") if has_sdpa else None

    batch_difference = {"right": None, "left": None}
    for side in batch_difference:
        rewards = batched_rewards(directory, pairs, pad_id, side)
        if rewards is not None:
            batch_difference[side] = scaled_difference(rewards, expected["rewards"])
            assert batch_difference[side] <= 1e-6, (name, side, batch_difference)
    if "sliding_window" in ARCHITECTURES[name][1].get("text_config", ARCHITECTURES[name][1]):
        assert_window_bites(directory, pairs, expected["rewards"], sliding_window=1000)
    if "local_attention" in ARCHITECTURES[name][1]:
        assert_window_bites(directory, pairs, expected["rewards"], local_attention=4096)

    model = load(directory)
    assert_trainer_decays_the_same(model)
    plain = [{"text": text, "ids": tokenizer(text)["input_ids"]} for text in PLAIN]
    expected["plain_rewards"] = torch.stack([run_alone(model, entry["ids"])[0] for entry in plain])
    long_ids = [i for _, text in SENTENCES for i in tokenizer(text, add_special_tokens=False)["input_ids"]]
    long_ids = long_ids[:LONG_TOKENS] if name in LONG else []
    if long_ids:
        first, *_, last = tokenizer("a")["input_ids"]
        long_ids = [first, *long_ids[:-2], last]
        expected["long.reward"], expected["long.hidden"] = run_alone(model, long_ids)
    expected["rewards_f64"] = exact["rewards"]
    expected["loss_f64"] = exact["loss"]
    expected["loss_per_step_f64"] = exact["loss_per_step"]
    expected["grad_norm_per_step_f64"] = exact["grad_norm_per_step"]
    noise = noise_gradients(expected, exact)
    differences = {
        "float32_error": worst_difference(expected, exact, skip=noise),
        **({"sdpa_difference": worst_difference(sdpa, expected, skip=noise)} if sdpa else {}),
    }
    # Gradients of float32 are up to 7e-6 of their scale from those of float64: the better ones are expected.
    expected |= {key: tensor.float() for key, tensor in exact.items() if key.startswith("grad.")}
    write_tensors(directory / "expected.safetensors", expected)

    write_json(directory / "inputs.json", {
        "text_format": "plain" if name in ENCODERS else "chat",
        "pad_token_id": pad_id, "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
        "layers_of": {"pair": [p["name"] for p in pairs].index(LAYERS_OF[0]), "side": LAYERS_OF[1]},
        "pairs": pairs, "plain": plain, **({"long_ids": long_ids} if long_ids else {}),
    })
    names = [n for n, _ in text_parameters(model)]
    write_json(directory / "meta.json", {
        "versions": versions(), "script": "tests/reference/architectures.py", "architecture": name,
        "attention": ATTENTION, "dtype": "float32", "parameters": sum(p.numel() for _, p in text_parameters(model)),
        "training": {
            "optimizer": "torch.optim.AdamW", "lr": LEARNING_RATE, "betas": [0.9, 0.999], "eps": 1e-8,
            "clip_grad_norm": CLIP, "schedule": "linear", "warmup_steps": WARMUP, "total_steps": STEPS,
            "weight_decay": WEIGHT_DECAY, "batch": "all chosen, then all rejected, right padded",
            "decay": [n for n in names if decays(n)], "no_decay": [n for n in names if not decays(n)],
        },
        "difference_alone_vs_batch": batch_difference,
        **differences,
        "noise_gradients": noise,
        "bfloat16_error": bfloat16_error(directory, pairs, expected),
    })
    size = sum(f.stat().st_size for f in directory.iterdir())
    checkpoint = size - sum((directory / f).stat().st_size for f in ("expected.safetensors", "inputs.json", "meta.json"))
    lengths = [len(p[f"{side}_ids"]) for p in pairs for side in ("chosen", "rejected")]
    print(f"{name}: {size / 1000:.0f} kB (checkpoint {checkpoint / 1000:.0f}), lengths {min(lengths)}..{max(lengths)}, "
          f"rewards {expected['rewards'].min():.2f}..{expected['rewards'].max():.2f}, "
          f"loss {expected['loss_per_step'][0]:.4f} -> {expected['loss_per_step'][-1]:.4f}, batch {batch_difference}")
    assert checkpoint < 300_000 and size < 700_000


def assert_window_bites(directory, pairs, rewards, **no_window):
    config = AutoConfig.from_pretrained(directory)
    for key, value in no_window.items():
        setattr(config.get_text_config(), key, value)
    model = AutoModelForSequenceClassification.from_pretrained(
        directory, config=config, dtype=torch.float32, attn_implementation=ATTENTION).eval()
    full = torch.stack([run_alone(model, p[f"{s}_ids"])[0] for p in pairs for s in ("chosen", "rejected")])
    assert (full.view_as(rewards) - rewards).abs().max() > 1e-2, "the sliding window changes nothing"


def bfloat16_error(directory, pairs, expected):
    """Root mean square and largest distance of transformers' own bfloat16 forward to the float32 one."""
    if directory.name == "deberta":
        return None  # transformers keeps two of its biases in float32, and then fails
    model = load(directory, torch.bfloat16)
    hidden, rewards = [], []
    for i, pair in enumerate(pairs):
        for side in ("chosen", "rejected"):
            reward, states = run_alone(model, pair[f"{side}_ids"])
            rewards.append(reward.float())
            hidden.append((states.float() - expected[f"hidden.{i}.{side}"]).flatten())
    found = {"hidden": torch.cat(hidden), "rewards": torch.stack(rewards) - expected["rewards"].flatten()}
    return {kind: {"rms": float(f"{d.square().mean().sqrt().item():.3g}"), "max": float(f"{d.abs().max().item():.3g}")}
            for kind, d in found.items()}


def worst_difference(computed, reference, skip=()):
    """Largest absolute difference per kind of quantity, to judge tolerances by (noise gradients left out)."""
    worst = {}
    for name, tensor in reference.items():
        kind, _, parameter = name.partition(".")
        if name in computed and parameter not in skip:
            difference = (computed[name].double() - tensor.double()).abs().max().item()
            worst[kind] = max(worst.get(kind, 0.0), float(f"{difference:.3g}"))
    return worst


def noise_gradients(computed, exact):
    """Parameters whose gradient is zero but for rounding. Adam turns that noise into full-size steps, so the
    final values of these cannot be compared: name -> largest difference of the final values, float32 vs float64."""
    noisy = {}
    for name, gradient in exact.items():
        if name.startswith("grad.") and gradient.abs().max() < 1e-10:
            parameter = name.removeprefix("grad.")
            final = f"final.{parameter}"
            noisy[parameter] = float(f"{(computed[final].double() - exact[final]).abs().max().item():.3g}")
    return noisy


if __name__ == "__main__":
    for chosen in sys.argv[1:] or ARCHITECTURES:
        write_architecture(chosen)
