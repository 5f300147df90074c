"""Token ids of invented texts in more than 40 scripts and of hostile strings, for 14 small tokenizers.

Writes tests/fixtures/tokens.json and tests/fixtures/tokenizers/. Run after architectures.py (20 s):
    python tests/reference/tokenizers_ids.py
"""

import hashlib
import shutil

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

from invented_scripts import HOSTILE, PAIRS, SCRIPTS  # noqa: E402
from invented_texts import SENTENCES  # noqa: E402
from token_families import FAMILIES  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

OF_ARCHITECTURES = ["llama", "qwen2", "mistral", "bert", "xlm_roberta"]
TEXTS = SENTENCES + SCRIPTS + [("zxx", text) for text in HOSTILE]


def digest(lists):
    """Of ids written `1 2 3`, one line for each text."""
    return hashlib.sha256("".join(" ".join(map(str, ids)) + "\n" for ids in lists).encode()).hexdigest()


def ids_of(directory):
    tokenizer = AutoTokenizer.from_pretrained(FIXTURES / directory)
    texts = [text for _, text in TEXTS]
    pairs = [tokenizer(a, b, return_token_type_ids=True) for a, b in PAIRS]
    return {
        "directory": directory, "vocabulary": max(tokenizer.get_vocab().values()) + 1,
        "ids": [" ".join(map(str, tokenizer(text)["input_ids"])) for text in texts],
        "without_special_sha256": digest(tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts),
        "pairs": [{"ids": pair["input_ids"], "types": pair["token_type_ids"]} for pair in pairs],
    }


if __name__ == "__main__":
    shutil.rmtree(FIXTURES / "tokenizers", ignore_errors=True)
    for name, build in FAMILIES.items():
        build().save_pretrained(FIXTURES / "tokenizers" / name)
    directories = {name: f"arch/{name}" for name in OF_ARCHITECTURES} | {name: f"tokenizers/{name}" for name in FAMILIES}
    write_json(FIXTURES / "tokens.json", {
        "meta": {"versions": versions(), "script": "tests/reference/tokenizers_ids.py",
                 "ids": "tokenizer(text) with its default special tokens, in the order of texts",
                 "without_special_sha256": "all texts with add_special_tokens=False: ids written `1 2 3`, a line for each text"},
        "texts": [{"lang": lang, "text": text} for lang, text in TEXTS], "pairs": [list(pair) for pair in PAIRS],
        "tokenizers": {name: ids_of(directory) for name, directory in directories.items()}})
    scripts = {lang.split("_")[-1] for lang, _ in TEXTS} - {"zxx"}
    print(f"{len(TEXTS)} texts, {len({lang for lang, _ in TEXTS})} languages, {len(scripts)} scripts, {len(directories)} tokenizers, "
          f"{(FIXTURES / 'tokens.json').stat().st_size / 1000:.0f} kB")
