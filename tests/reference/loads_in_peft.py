"""Does an adapter written by rmbench load in PEFT, whole, and give the same rewards?

Run:  RMBENCH_EXPORT_ADAPTERS=OUT cargo test --test it adapters, then
      python tests/reference/loads_in_peft.py OUT/ADAPTER [...]
Every ADAPTER holds scores.json, [{"ids": [...], "reward": r}, ...], or of a language model [{"ids": [...], "start": first token
of the response, "policy": its log-probability, "reference": the same with the adapter off}, ...]. Exit code 0: the adapter
loads over its base without a missing or unexpected key, unmerged and merged numbers r agree within 1e-5 * max(1, |r|). Else 1.
A directory without adapter_config.json (one written by `rmbench model merge-adapter`) is loaded as a model.
"""

import json
import sys
import warnings
from pathlib import Path

from fixture_files import one_thread

one_thread()

import torch  # noqa: E402
from peft import PeftConfig, PeftModel, get_peft_model_state_dict  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()
TOLERANCE = 1e-5


def compare(model, head, scores):
    """Largest difference, relative to max(1, |r|)."""
    worst = 0.0
    for score in scores:
        with torch.no_grad():
            out = model(torch.tensor([score["ids"]]))
            reward = (out.logits[0, 0] if head is None else head(out.last_hidden_state[0, -1])[0]).item()
        worst = max(worst, abs(reward - score["reward"]) / max(1.0, abs(reward)))
    return worst


def log_prob(model, score):
    ids = torch.tensor([score["ids"]])
    with torch.no_grad():
        every = model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
    return every[score["start"] - 1 :].double().sum().item()


def compare_log_probs(model, key, scores):
    distance = lambda found, score: abs(found - score[key]) / max(1.0, abs(found))
    return max(distance(log_prob(model, score), score) for score in scores)


def check_language_model(directory, scores):
    config = PeftConfig.from_pretrained(directory)
    base = AutoModelForCausalLM.from_pretrained(config.base_model_name_or_path, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, directory).eval()
    has_every_name(model, directory)
    apart = compare_log_probs(model, "policy", scores)
    with model.disable_adapter():
        off = compare_log_probs(model, "reference", scores)
    merged = compare_log_probs(model.merge_and_unload().eval(), "policy", scores)
    print(f"{directory.name}: {len(scores)} responses, difference {apart:.2g} apart, {merged:.2g} merged, {off:.2g} off")
    return max(apart, merged, off) <= TOLERANCE


def load(directory):
    """The model to compare, and the head that an adapter of a bare backbone goes without."""
    if not (directory / "adapter_config.json").exists():
        model, info = AutoModelForSequenceClassification.from_pretrained(
            directory, dtype=torch.float32, output_loading_info=True)
        assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
        return model, None
    config = PeftConfig.from_pretrained(directory)
    classifier = AutoModelForSequenceClassification.from_pretrained(config.base_model_name_or_path, dtype=torch.float32)
    bare = config.task_type == "FEATURE_EXTRACTION"
    base = AutoModel.from_pretrained(config.base_model_name_or_path, dtype=torch.float32) if bare else classifier
    model = PeftModel.from_pretrained(base, directory)
    return model, classifier.score if bare else None


def has_every_name(model, directory):
    """PEFT warns of missing keys and passes over unexpected ones; what it would save itself leaves nothing out."""
    with warnings.catch_warnings():  # it takes the bias of lora_B for a broken shard
        warnings.simplefilter("ignore")
        known = get_peft_model_state_dict(model, save_embedding_layers=False)
    known = {key for key in known if ".original_module." not in key and ".modules_to_save." not in key}
    written = set(load_file(directory / "adapter_model.safetensors"))
    assert written == known, written ^ known


def check(directory):
    directory = Path(directory)
    scores = json.loads((directory / "scores.json").read_text())
    assert scores
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", FutureWarning)
        AutoTokenizer.from_pretrained(directory)
        if "policy" in scores[0]:
            return check_language_model(directory, scores)
        model, head = load(directory)
    apart = compare(model.eval(), head, scores)
    if isinstance(model, PeftModel):
        has_every_name(model, directory)
    merged = compare(model.merge_and_unload().eval(), head, scores) if isinstance(model, PeftModel) else apart
    print(f"{directory.name}: {len(scores)} rewards, difference {apart:.2g} apart, {merged:.2g} merged")
    return apart <= TOLERANCE and merged <= TOLERANCE


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(0 if all([check(directory) for directory in sys.argv[1:]]) else 1)
