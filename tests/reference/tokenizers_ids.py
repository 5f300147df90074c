"""Token ids of invented sentences in more than 40 languages for the tokenizers of tests/fixtures/arch.

Writes tests/fixtures/tokens.json. Run after architectures.py (seconds):  python tests/reference/tokenizers_ids.py
"""

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

from invented_texts import SENTENCES  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

TOKENIZERS = {"llama": "byte-level BPE, Llama-3 split, BOS", "qwen2": "byte-level BPE, Qwen-2 split, NFC",
              "mistral": "byte-level BPE, GPT-2 split, BOS", "bert": "WordPiece, lower case", "xlm_roberta": "Unigram"}
# So many texts are also encoded without special tokens.
WITHOUT_SPECIAL = 8


def ids_of(name):
    tokenizer = AutoTokenizer.from_pretrained(FIXTURES / "arch" / name)
    texts = [text for _, text in SENTENCES]
    plain = [tokenizer(text)["input_ids"] for text in texts]
    return {
        "directory": f"arch/{name}", "kind": TOKENIZERS[name], "vocabulary": len(tokenizer),
        "ids": plain,
        "without_special": [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts[:WITHOUT_SPECIAL]],
        "empty": tokenizer("")["input_ids"],
        "unknown_share": round(sum(ids.count(tokenizer.unk_token_id) for ids in plain) / sum(map(len, plain)), 4),
    }


if __name__ == "__main__":
    write_json(FIXTURES / "tokens.json", {
        "meta": {"versions": versions(), "script": "tests/reference/tokenizers_ids.py",
                 "ids": "tokenizer(text) with its default special tokens, in the order of texts",
                 "without_special": f"the first {WITHOUT_SPECIAL} texts with add_special_tokens=False"},
        "texts": [{"lang": lang, "text": text} for lang, text in SENTENCES],
        "tokenizers": {name: ids_of(name) for name in TOKENIZERS}})
    print(f"{len(SENTENCES)} texts, {len({lang for lang, _ in SENTENCES})} languages, "
          f"{(FIXTURES / 'tokens.json').stat().st_size / 1000:.0f} kB")
