"""Fixture of the `pair` layout: what transformers makes of `tokenizer(prompt, response)`, and the rewards.

Writes tests/fixtures/segments.json from the checkpoints in tests/fixtures/arch: ids, token_type_ids as the model gets
them (null: none, which it takes for zeros), rewards, and for models with more than one token type the gradient of
their embeddings. `classes` says which tokenizers hand out token types at all.

Run (about ten seconds):  python tests/reference/segments.py
"""

import json
import shutil
import tempfile
from pathlib import Path

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

import torch  # noqa: E402
from invented_texts import PAIRS  # noqa: E402
from torch.nn.functional import logsigmoid  # noqa: E402
from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402
from transformers.utils import logging  # noqa: E402

logging.set_verbosity_error()
logging.disable_progress_bar()

ARCHITECTURES = ["bert", "bert_relu", "roberta", "xlm_roberta", "deberta", "deberta_v2", "deberta_v2_separate",
                 "modernbert"]
TEXTS = [pair for pair in PAIRS] + [("empty_response", "Is it deep?", "", "Yes.")]
# Cut from the left, the prompt first.
CUT, CUT_PAIR = 30, "long_shared_prefix"
CLASSES = [None, "BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend",
           "RobertaTokenizerFast"]


def rows(name):
    directory = FIXTURES / "arch" / name
    tokenizer = AutoTokenizer.from_pretrained(directory)
    tokenizer.truncation_side = "left"
    model = AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32,
                                                               attn_implementation="eager").eval()
    found, losses = [], []
    for pair_name, prompt, *responses in TEXTS:
        limits = [None, CUT] if pair_name == CUT_PAIR else [None]
        for limit in limits:
            rewards = []
            for response in responses:
                cut = {} if limit is None else dict(truncation="only_first", max_length=limit)
                encoded = tokenizer(prompt, response, **cut)
                batch = {key: torch.tensor([value]) for key, value in encoded.items()}
                reward = model(**batch).logits[0, 0]
                rewards.append(reward)
                found.append({"name": pair_name, "prompt": prompt, "response": response, "max_length": limit,
                              "ids": encoded["input_ids"], "token_type_ids": encoded.get("token_type_ids"),
                              "reward": reward.item()})
            losses.append(-logsigmoid(rewards[0] - rewards[1]))
    torch.stack(losses).sum().backward()
    types = dict(model.named_parameters()).get(f"{model.base_model_prefix}.embeddings.token_type_embeddings.weight")
    gradient = types.grad.tolist() if types is not None and len(types) > 1 else None
    return {"rows": found, "token_type_gradient": gradient}


def classes():
    """The same tokenizer under other class names, with and without `model_input_names`."""
    source = FIXTURES / "arch" / "bert"
    found = []
    for name in CLASSES:
        for inputs in (None, ["input_ids", "attention_mask"], ["input_ids", "token_type_ids", "attention_mask"]):
            if name == "RobertaTokenizerFast" and inputs is not None and "token_type_ids" in inputs:
                continue  # has a post-processor of its own, whatever tokenizer.json says
            config = json.loads((source / "tokenizer_config.json").read_text())
            for key, value in (("model_input_names", inputs), ("tokenizer_class", name)):
                config.pop(key)
                if value is not None:
                    config[key] = value
            del config["backend"]
            with tempfile.TemporaryDirectory() as directory:
                for file in ("tokenizer.json", "config.json"):
                    shutil.copy(source / file, directory)
                (Path(directory) / "tokenizer_config.json").write_text(json.dumps(config))
                encoded = AutoTokenizer.from_pretrained(directory)("Is it deep?", "Yes.")
            found.append({"tokenizer_class": name, "model_input_names": inputs,
                          "gives": sum(encoded.get("token_type_ids", [])) > 0})
    return found


if __name__ == "__main__":
    write_json(FIXTURES / "segments.json", {
        "versions": versions(), "classes": classes(),
        "architectures": {name: rows(name) for name in ARCHITECTURES}})
