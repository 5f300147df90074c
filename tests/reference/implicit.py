"""Implicit rewards and ten training steps of policies, by transformers and TRL on tiny language models.

Writes tests/fixtures/implicit/: checkpoints (`policy`, `reference`, `tied`, `capped`, `scaled`), LoRA adapters over `policy`
(`adapter_new` as PEFT draws it, `adapter` with numbers in B), `log_probs.json` (sums and counts of response tokens'
log-probabilities; ids by the chat template; of `adapter` with it on, and with it off as the reference) and `steps.json`
(losses of ten steps of every loss that TRL's DPOTrainer, CPOTrainer, ORPOTrainer, KTOTrainer and TPOTrainer have, in the
data's order, batches of 4; some of them of adapters).

Run (about five minutes on one core):  python tests/reference/implicit.py [models] [adapters] [log_probs] [steps]
"""

import json
import os
import shutil
import sys
import tempfile

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

from fixture_files import FIXTURES, one_thread, readable, versions, write_json  # noqa: E402

one_thread()

import tiny_tokenizers  # noqa: E402
import torch  # noqa: E402
from architectures import DECODER, randomise  # noqa: E402
from datasets import Dataset  # noqa: E402
from invented_texts import PAIRS, SENTENCES  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForCausalLM,
    AutoTokenizer,
    CohereConfig,
    Gemma2Config,
    LlamaConfig,
    Qwen2Config,
)

ROOT = FIXTURES / "implicit"
SMALL = DECODER | dict(max_position_embeddings=1024, hidden_size=24, intermediate_size=32, num_attention_heads=2, num_key_value_heads=1)
# name: (config class, its settings, tokenizer builder, seed)
MODELS = {
    "policy": (LlamaConfig, SMALL | dict(rms_norm_eps=1e-5, rope_theta=1e4), "llama3_like", 1),
    "reference": (LlamaConfig, SMALL | dict(rms_norm_eps=1e-5, rope_theta=1e4), "llama3_like", 2),
    "tied": (Qwen2Config, SMALL | dict(rms_norm_eps=1e-6, tie_word_embeddings=True), "qwen2_like", 3),
    # Logits are capped at 4, which bends them well.
    "capped": (Gemma2Config, SMALL | dict(head_dim=16, sliding_window=16, query_pre_attn_scalar=24,
                                          final_logit_softcapping=4.0, tie_word_embeddings=True), "llama3_like", 4),
    "scaled": (CohereConfig, SMALL | dict(use_qk_norm=False, logit_scale=0.25, tie_word_embeddings=True),
               "mistral_like", 5),
}
# What a policy is compared with.
REFERENCES = {"policy": "reference"}
# Adapters over `policy`: whether B has left zero.
ADAPTERS = {"adapter_new": False, "adapter": True}
BATCH, STEPS, LEARNING_RATE = 4, 10, 1e-3


def draw(name):
    config_class, settings, builder, seed = MODELS[name]
    tokenizer = getattr(tiny_tokenizers, builder)()
    specials = {key: getattr(tokenizer, key) for key in ("pad_token_id", "bos_token_id", "eos_token_id")}
    model = AutoModelForCausalLM.from_config(config_class(**settings, **specials), dtype=torch.float32)
    randomise(model, seed)
    directory = ROOT / name
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    (directory / "generation_config.json").unlink(missing_ok=True)
    readable(*directory.iterdir())


def draw_adapter(name):
    torch.manual_seed(7)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(load("policy"), config)
    if ADAPTERS[name]:
        with torch.no_grad():
            for key, parameter in sorted(model.named_parameters()):
                if "lora_B" in key:
                    parameter.add_(0.2 * torch.randn(parameter.shape))
    directory = ROOT / name
    shutil.rmtree(directory, ignore_errors=True)
    model.save_pretrained(directory)
    (directory / "README.md").unlink(missing_ok=True)
    path = directory / "adapter_config.json"
    config = json.loads(path.read_text()) | {"base_model_name_or_path": "../policy"}
    # Sets are saved in any order.
    write_json(path, config | {"target_modules": sorted(config["target_modules"])})
    readable(*directory.iterdir())


def load(name):
    if name in ADAPTERS:
        return PeftModel.from_pretrained(load("policy"), ROOT / name, is_trainable=True).eval()
    return AutoModelForCausalLM.from_pretrained(ROOT / name, dtype=torch.float32, attn_implementation="eager").eval()


def items():
    """Pairs of invented texts: those of the parity fixtures, and sentences with the next two as responses."""
    texts = [text for _, text in SENTENCES if "<" not in text and "[" not in text]
    made = [(f"sentence_{i}", texts[i], texts[i + 1], texts[i + 2]) for i in range(0, 42, 3)]
    return [pair for pair in PAIRS if pair[1].strip()] + made


def log_probs(model, prompt_ids, ids):
    """Of every token after the prompt, in f32 from the model's logits."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, :-1].float()
    every = logits.log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
    return every[len(prompt_ids) - 1 :].double()


def write_log_probs():
    found = {}
    for name in ("policy", "tied", "capped", "scaled", "adapter"):
        tokenizer = AutoTokenizer.from_pretrained(ROOT / ("policy" if name in ADAPTERS else name))
        model = load(name)
        reference = load(REFERENCES[name]) if name in REFERENCES else None
        narrow = load(name).bfloat16() if name not in ADAPTERS else None
        rows = []
        for item, prompt, *responses in items():
            turns = [{"role": "user", "content": prompt}]
            prompt_ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]
            row = {"name": item, "prompt": prompt, "responses": responses, "sums": [], "squares": [], "counts": []}
            row |= {"reference": [], "bf16": [], "ids": []}
            for response in responses:
                whole = [*turns, {"role": "assistant", "content": response}]
                ids = tokenizer.apply_chat_template(whole, return_dict=True)["input_ids"]
                assert ids[: len(prompt_ids)] == prompt_ids
                own = log_probs(model, prompt_ids, ids)
                row["ids"].append(ids)
                row["sums"].append(own.sum().item())
                row["squares"].append((own**2).sum().item())
                row["counts"].append(len(own))
                if narrow is not None:
                    row["bf16"].append(log_probs(narrow, prompt_ids, ids).sum().item())
                if name in ADAPTERS:
                    with model.disable_adapter():
                        row["reference"].append(log_probs(model, prompt_ids, ids).sum().item())
                elif reference is not None:
                    row["reference"].append(log_probs(reference, prompt_ids, ids).sum().item())
            rows.append(row)
        found[name] = rows
    write_json(ROOT / "log_probs.json", {"versions": versions(), "models": found})


def recording(trainer_class):
    """The trainer with the loss of every step kept as it was computed."""

    class Recording(trainer_class):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            result = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            self.seen.append((result[0] if return_outputs else result).item())
            return result

    Recording.seen = None
    return Recording


def arguments(config_class, directory, **more):
    return config_class(
        output_dir=directory, per_device_train_batch_size=BATCH, max_steps=STEPS, learning_rate=LEARNING_RATE,
        lr_scheduler_type="linear", warmup_steps=3, weight_decay=0.01, max_grad_norm=1.0, adam_beta1=0.9, adam_beta2=0.999,
        adam_epsilon=1e-8, logging_strategy="no", save_strategy="no", report_to=[], seed=0, use_cpu=True, bf16=False,
        train_sampling_strategy="sequential", gradient_checkpointing=False, disable_tqdm=True, disable_dropout=True,
        **more)


def train(trainer_class, config_class, rows, policy="policy", reference=None, **more):
    with tempfile.TemporaryDirectory() as directory:
        args = arguments(config_class, directory, **more)
        models = {"model": load(policy)}
        if reference is not None:
            models["ref_model"] = load(reference)
        trainer = recording(trainer_class)(
            **models, args=args, train_dataset=Dataset.from_list(rows),
            processing_class=AutoTokenizer.from_pretrained(ROOT / ("policy" if policy in ADAPTERS else policy)))
        trainer.seen = []
        trainer.train()
        assert len(trainer.seen) == STEPS, trainer.seen
        return trainer.seen


def write_steps():
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
    from trl.experimental.cpo import CPOConfig, CPOTrainer
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer
    from trl.experimental.tpo import TPOConfig, TPOTrainer

    user = lambda text: [{"role": "user", "content": text}]
    assistant = lambda text: [{"role": "assistant", "content": text}]
    pairs = [{"prompt": user(p), "chosen": assistant(c), "rejected": assistant(r)} for _, p, c, r in items()]
    singles = []
    for i, (_, prompt, chosen, rejected) in enumerate(items()):
        good = i % 3 != 1
        singles.append({"prompt": user(prompt), "completion": assistant(chosen if good else rejected), "label": good})
    pairs, singles = pairs[:16], singles[:16]
    # Gold responses: what the pair after has chosen.
    triples = [row | {"reference": pairs[(i + 1) % 16]["chosen"]} for i, row in enumerate(pairs)]

    cases = []

    def case(toml, losses):
        print(toml, losses[0], losses[-1], flush=True)
        cases.append({"objective": toml, "losses": losses})

    def dpo(toml, **more):
        case(toml, train(DPOTrainer, DPOConfig, pairs, reference="reference", beta=0.1, max_length=None, **more))

    dpo({"name": "dpo"}, loss_type="sigmoid")
    dpo({"name": "dpo-hinge"}, loss_type="hinge")
    dpo({"name": "ipo-azar"}, loss_type="ipo")
    dpo({"name": "exo", "label-smoothing": 0.01}, loss_type="exo_pair", label_smoothing=0.01)
    dpo({"name": "nca"}, loss_type="nca_pair")
    dpo({"name": "rdpo", "flip-rate": 0.2}, loss_type="robust", label_smoothing=0.2)
    dpo({"name": "bco-pair"}, loss_type="bco_pair")
    dpo({"name": "sppo-hard"}, loss_type="sppo_hard")
    dpo({"name": "aot"}, loss_type="aot")
    dpo({"name": "aot-unpaired", "label-smoothing": 0.1}, loss_type="aot_unpaired", label_smoothing=0.1)
    dpo({"name": "apo-zero"}, loss_type="apo_zero")
    dpo({"name": "apo-down"}, loss_type="apo_down")
    dpo({"name": "discopop"}, loss_type="discopop", discopop_tau=0.05)
    dpo({"name": "sft", "nll-mean": "step"}, loss_type="sft")
    dpo({"name": "ln-dpo"}, loss_type="sigmoid_norm")
    dpo({"name": "f-dpo", "divergence": "forward-kl"}, loss_type="sigmoid", f_divergence_type="forward_kl")
    dpo({"name": "f-dpo", "divergence": "jensen-shannon"}, loss_type="sigmoid", f_divergence_type="js_divergence")
    dpo({"name": "f-dpo", "divergence": "alpha", "alpha": 0.5}, loss_type="sigmoid",
        f_divergence_type="alpha_divergence", f_alpha_divergence_coef=0.5)
    dpo({"name": "mpo", "terms": "dpo:0.8,bco-pair:0.2,sft:1.0", "of": {"sft": {"nll-mean": "step"}}},
        loss_type=["sigmoid", "bco_pair", "sft"], loss_weights=[0.8, 0.2, 1.0])

    def cpo(toml, **more):
        case(toml, train(CPOTrainer, CPOConfig, pairs, max_length=512, **more))

    cpo({"name": "cpo", "nll-mean": "step"}, loss_type="sigmoid", beta=0.1, cpo_alpha=1.0)
    cpo({"name": "cpo", "nll-mean": "step", "label-smoothing": 0.1}, loss_type="sigmoid", beta=0.1, cpo_alpha=1.0,
        label_smoothing=0.1)
    cpo({"name": "simpo", "beta": 2.0, "gamma": 0.5}, loss_type="simpo", beta=2.0, simpo_gamma=0.5, cpo_alpha=0.0)
    cpo({"name": "alphapo", "beta": 2.0, "gamma": 0.5, "alpha": 0.25}, loss_type="simpo", beta=2.0, simpo_gamma=0.5,
        cpo_alpha=0.0, alpha=0.25)
    cpo({"name": "cpo", "link": "hinge", "nll-mean": "step"}, loss_type="hinge", beta=0.1, cpo_alpha=1.0)
    cpo({"name": "cpo", "score": "mean-log-prob", "link": "square", "nll-mean": "step"}, loss_type="ipo", beta=0.1,
        cpo_alpha=1.0)
    case({"name": "orpo", "nll-mean": "step"},
         train(ORPOTrainer, ORPOConfig, pairs, beta=0.1, max_length=512))

    def kto(toml, policy="policy", reference="reference", **more):
        case(toml, train(KTOTrainer, KTOConfig, singles, policy, reference, beta=0.1, max_length=None, **more))
        cases[-1] |= {"policy": policy, "reference": reference, "data": "singles"}

    # This way round z is above 0.
    kto({"name": "kto"}, "reference", "policy", loss_type="kto")
    kto({"name": "kto", "desirable": 1.3, "undesirable": 0.7}, loss_type="kto", desirable_weight=1.3,
        undesirable_weight=0.7)
    kto({"name": "apo-zero"}, loss_type="apo_zero_unpaired")

    def tpo(toml, **more):
        case(toml | {"nll-mean": "step"}, train(TPOTrainer, TPOConfig, triples, max_length=None, **more))
        cases[-1] |= {"data": "triples"}

    tpo({"name": "tpo", "beta": 0.1}, beta=0.1, loss_type="sigmoid")
    tpo({"name": "tpo", "beta": 2.0, "gamma": 0.5, "mean": True}, beta=2.0, loss_type="tpo-l", tpo_l_gamma=0.5)
    tpo({"name": "tpo", "beta": 0.1, "label-smoothing": 0.1}, beta=0.1, loss_type="sigmoid", label_smoothing=0.1)
    tpo({"name": "tpo", "beta": 0.1, "link": "hinge"}, beta=0.1, loss_type="hinge")
    tpo({"name": "tpo", "beta": 0.1, "link": "square", "mean": True}, beta=0.1, loss_type="ipo")

    # A new adapter, whose reference is its base; and one that goes on, whose reference is itself as it was.
    for policy in ADAPTERS:
        toml = {"name": "dpo"}
        case(toml, train(DPOTrainer, DPOConfig, pairs, policy, beta=0.1, max_length=None, loss_type="sigmoid"))
        cases[-1] |= {"policy": policy}
    case({"name": "simpo", "beta": 2.0, "gamma": 0.5},
         train(CPOTrainer, CPOConfig, pairs, "adapter", max_length=512, loss_type="simpo", beta=2.0, simpo_gamma=0.5,
               cpo_alpha=0.0))
    cases[-1] |= {"policy": "adapter"}

    plain = lambda turns: turns[0]["content"]
    write_json(ROOT / "steps.json", {
        "versions": versions("datasets"), "batch": BATCH, "learning_rate": LEARNING_RATE, "warmup": 3,
        "pairs": [[plain(row["prompt"]), plain(row["chosen"]), plain(row["rejected"])] for row in pairs],
        "golds": [plain(row["reference"]) for row in triples],
        "singles": [[plain(row["prompt"]), plain(row["completion"]), row["label"]] for row in singles],
        "cases": cases})


if __name__ == "__main__":
    parts = sys.argv[1:] or ["models", "adapters", "log_probs", "steps"]
    if "models" in parts:
        for model in MODELS:
            draw(model)
    if "adapters" in parts:
        for adapter in ADAPTERS:
            draw_adapter(adapter)
    if "log_probs" in parts:
        write_log_probs()
    if "steps" in parts:
        write_steps()
