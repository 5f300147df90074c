"""Does a model directory written by rmbench load in transformers, whole, and give the same rewards?

Run:  python tests/reference/loads_in_transformers.py MODEL_DIR SCORES.json
SCORES.json is [{"ids": [...], "reward": r}, ...]. Exit code 0: loads without a warning or a missing, unexpected or
mismatched weight, has one label, its tokenizer loads and pads with the model's pad token, which is not EOS, rewards
agree within 1e-5 * max(1, |r|), alone and in a batch padded on the right (decoders: on either side). Else 1.
"""

import json
import logging
import sys
import warnings

from fixture_files import one_thread

one_thread()

import torch  # noqa: E402
from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402
from transformers.utils import logging as transformers_logging  # noqa: E402

TOLERANCE = 1e-5


class Collector(logging.Handler):
    """Keeps every log record of level warning or higher."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def check(directory, scores_path):
    """Returns the list of complaints."""
    complaints = []
    collector = Collector()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_warning()
    transformers_logging.get_logger("transformers").addHandler(collector)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model, info = AutoModelForSequenceClassification.from_pretrained(
            directory, dtype=torch.float32, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(directory)
    complaints += [f"logged: {message}" for message in collector.messages]
    complaints += [f"warned: {warning.message}" for warning in caught]
    for kind, found in info.items():
        if found:
            complaints.append(f"{kind}: {found if isinstance(found, str) else sorted(map(str, found))}")
    if model.config.num_labels != 1:
        complaints.append(f"num_labels is {model.config.num_labels}, not 1")
    if model.config.pad_token_id is None:
        complaints.append("pad_token_id is missing from the config")
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        complaints.append(f"{len(tokenizer)} tokens but {model.get_input_embeddings().num_embeddings} embeddings")

    model.eval()
    worst = 0.0
    scores = json.load(open(scores_path, encoding="utf-8"))
    for i, score in enumerate(scores):
        with torch.no_grad():
            reward = model(torch.tensor([score["ids"]])).logits[0, 0].item()
        difference = abs(reward - score["reward"])
        worst = max(worst, difference)
        if not difference <= TOLERANCE * max(1.0, abs(reward)):
            complaints.append(f"reward {i}: {score['reward']} there, {reward} in transformers")
    pad, eos = model.config.pad_token_id, model.config.eos_token_id
    if tokenizer.pad_token_id != pad:
        complaints.append(f"the tokenizer pads with {tokenizer.pad_token_id}, the model looks for {pad}")
    if pad in (eos if isinstance(eos, list) else [eos]):
        complaints.append(f"the pad token {pad} is EOS")
    # Encoders are padded on the right: their positions, or the head, count from the left edge.
    is_encoder = hasattr(model.base_model, "encoder") or "ModernBert" in type(model).__name__
    for side in ("right",) if is_encoder else ("right", "left"):
        tokenizer.padding_side = side
        batch = tokenizer.pad({"input_ids": [score["ids"] for score in scores]}, return_tensors="pt")
        if not is_encoder:
            batch["position_ids"] = (batch["attention_mask"].cumsum(1) - 1).clamp(min=0)
        with torch.no_grad():
            rewards = model(**batch).logits[:, 0].tolist()
        for i, (score, reward) in enumerate(zip(scores, rewards)):
            if not abs(reward - score["reward"]) <= TOLERANCE * max(1.0, abs(reward)):
                complaints.append(f"reward {i}, padded on the {side}: {score['reward']} there, {reward} in transformers")
    if not scores:
        complaints.append("no scores to compare")
    print(f"{type(model).__name__}, {type(tokenizer).__name__}: {len(scores)} rewards, largest difference {worst:.3g}")
    return complaints


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    found = check(*sys.argv[1:])
    for complaint in found:
        print(f"error: {complaint}", file=sys.stderr)
    sys.exit(1 if found else 0)
