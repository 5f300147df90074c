"""A tiny random chat model that knows the forms of verdicts, for judging with a real server.

Two layers of Llama, width 32, a byte-level vocabulary. The output rows of `[[A]]`, `[[B]]` and of the end are larger than
others, so that greedy replies have verdicts, which depend on the prompt by chance.

    python3 tests/reference/chat_model.py DIRECTORY
"""

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
VERDICTS = ["[[A]]", "[[B]]"]
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def write(directory):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens(VERDICTS)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    fast.chat_template = TEMPLATE
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=8192, tie_word_embeddings=False,
        initializer_range=0.2, bos_token_id=None, eos_token_id=fast.eos_token_id, pad_token_id=fast.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for token, factor in [(VERDICTS[0], 10), (VERDICTS[1], 10), ("<|end|>", 4)]:
            model.lm_head.weight[fast.convert_tokens_to_ids(token)] *= factor
    directory = Path(directory)
    model.save_pretrained(directory)
    fast.save_pretrained(directory)


if __name__ == "__main__":
    write(sys.argv[1])
