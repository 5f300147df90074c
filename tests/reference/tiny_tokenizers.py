"""Small tokenizers trained on `invented_texts`: byte-level BPE, WordPiece, Unigram.

Imported by `architectures.py`; nothing to run. Each builder returns a transformers tokenizer.
"""

import math
from collections import Counter

from invented_texts import PAIRS, SENTENCES
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

# The split of the Llama-3 / Qwen-2 families: contractions, words, digit groups, punctuation, line ends, spaces.
DIGITS_BY_THREE = r"\p{N}{1,3}"
DIGITS_ALONE = r"\p{N}"


def split_pattern(digits):
    return (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits
        + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


def corpus():
    texts = [text for _, text in SENTENCES]
    for _, prompt, chosen, rejected in PAIRS:
        texts += [prompt, chosen, rejected] * 8
    texts += ["user", "assistant", "system", "\n\n"] * 12
    return [text for text in texts if "<|" not in text and "[MASK]" not in text]


def words(tokenizer):
    """Normalised and pre-split words of the corpus, in order."""
    for text in corpus():
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text)):
            yield word


def most_common(counts, n):
    return [piece for piece, _ in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))[:n]]


def substrings(all_words, longest):
    """Counts of every (start-of-word?, substring) of 2 to `longest` characters."""
    counts = Counter()
    for word in all_words:
        for start in range(len(word)):
            for end in range(start + 2, min(len(word), start + longest) + 1):
                counts[start == 0, word[start:end]] += 1
    return counts


def byte_level_bpe(size, specials, *, family, specials_first=False):
    """Byte-level BPE in three dress codes: `llama3`, `qwen2` (NFC, digits alone), `gpt2` (ByteLevel's own split)."""
    first = [AddedToken(s, special=True, normalized=False) for s in specials] if specials_first else []
    tokenizer = Tokenizer(models.BPE(ignore_merges=family == "llama3"))
    if family == "gpt2":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    else:
        pattern = split_pattern(DIGITS_BY_THREE if family == "llama3" else DIGITS_ALONE)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False),
        ])
    if family == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size if first else size - len(specials), show_progress=False, min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), special_tokens=first,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in specials])
    return tokenizer


def llama3_like():
    bos, header, header_end, eot, pad = names = (
        "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|finetune_right_pad_id|>")
    tokenizer = byte_level_bpe(384, names, family="llama3")
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1",
                                      special_tokens=[(bos, tokenizer.token_to_id(bos))]),
    ])
    template = (
        "{{- bos_token }}\n"
        "{%- for message in messages %}\n"
        "    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}\n"
        "{%- endfor %}\n"
        "{%- if add_generation_prompt %}\n"
        "    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n"
        "{%- endif %}\n"
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=bos, eos_token=eot, pad_token=pad, model_max_length=128,
        chat_template=template, clean_up_tokenization_spaces=False, padding_side="right")


def qwen2_like():
    pad, start, end = names = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
    tokenizer = byte_level_bpe(384, names, family="qwen2")
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    template = (
        "{%- for message in messages %}\n"
        "    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}\n"
        "{%- endfor %}\n"
        "{%- if add_generation_prompt %}\n"
        "    {{- '<|im_start|>assistant\\n' }}\n"
        "{%- endif %}\n"
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=end, pad_token=pad, model_max_length=128,
        chat_template=template, clean_up_tokenization_spaces=False, padding_side="right")


def mistral_like():
    unk, bos, eos, inst, inst_end, pad = names = "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "<pad>"
    tokenizer = byte_level_bpe(384, names, family="gpt2")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, tokenizer.token_to_id(bos))])
    template = (
        "{{ bos_token }}{% for message in messages %}"
        "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('turns must alternate user/assistant/user/...') }}{% endif %}"
        "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
        "{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=unk, bos_token=bos, eos_token=eos, pad_token=pad,
        model_max_length=128, chat_template=template, clean_up_tokenization_spaces=False, padding_side="right")


def bert_like():
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    # Own deterministic vocabulary (the trainer's order of ties changes from run to run).
    all_words = list(words(tokenizer))
    single = Counter("##" * (i > 0) + c for word in all_words for i, c in enumerate(word))
    longer = Counter({"##" * (not at_start) + piece: n * (len(piece) - 1)
                      for (at_start, piece), n in substrings(all_words, 6).items() if n > 1})
    pieces = names + most_common(single, 350) + most_common(longer, 145)
    tokenizer.model = models.WordPiece(
        {piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]", max_input_chars_per_word=100,
        continuing_subword_prefix="##")
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", cls), ("[SEP]", sep)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", sep_token="[SEP]", pad_token="[PAD]", cls_token="[CLS]",
        mask_token="[MASK]", model_max_length=128, padding_side="right",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"])


def roberta_like():
    names = bos, pad, eos, unk, mask = "<s>", "<pad>", "</s>", "<unk>", "<mask>"
    tokenizer = byte_level_bpe(384, names, family="gpt2", specials_first=True)
    ids = {name: tokenizer.token_to_id(name) for name in names}
    tokenizer.post_processor = processors.RobertaProcessing(
        sep=(eos, ids[eos]), cls_token=(bos, ids[bos]), add_prefix_space=False, trim_offsets=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=bos, eos_token=eos, sep_token=eos, cls_token=bos, unk_token=unk,
        pad_token=pad, mask_token=mask, model_max_length=128, padding_side="right")


def modernbert_like():
    names = unk, cls, sep, pad, mask = "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"
    tokenizer = byte_level_bpe(384, names, family="gpt2")
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(cls, tokenizer.token_to_id(cls)), (sep, tokenizer.token_to_id(sep))])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=unk, cls_token=cls, sep_token=sep, pad_token=pad, mask_token=mask,
        model_max_length=1024, clean_up_tokenization_spaces=False, padding_side="right",
        model_input_names=["input_ids", "attention_mask"])


def unigram(names, unknown):
    """Unigram over an own deterministic vocabulary of 495 pieces: log relative frequencies of single characters and
    frequent substrings."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")])
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    all_words = list(words(tokenizer))
    single = Counter(c for word in all_words for c in word)
    longer = Counter()
    for (_, piece), n in substrings(all_words, 8).items():
        if n > 1 and "▁" not in piece[1:]:
            longer[piece] += n
    saved = Counter({piece: n * (len(piece) - 1) for piece, n in longer.items()})
    chosen = most_common(single, 340) + most_common(saved, 155)
    counts = single + longer
    total = sum(counts[piece] for piece in chosen)
    ranked = sorted(chosen, key=lambda piece: (-counts[piece], piece))
    vocabulary = [(name, 0.0) for name in names]
    vocabulary += [(piece, round(math.log(counts[piece] / total) - 1e-4 * i, 6)) for i, piece in enumerate(ranked)]
    tokenizer.model = models.Unigram(vocabulary, unk_id=names.index(unknown), byte_fallback=False)
    return tokenizer


def deberta_v2_like():
    names = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    tokenizer = unigram(names, "[UNK]")
    tokenizer.add_special_tokens([AddedToken("[MASK]", special=True, normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="[CLS]", eos_token="[SEP]", sep_token="[SEP]", cls_token="[CLS]",
        unk_token="[UNK]", pad_token="[PAD]", mask_token="[MASK]", padding_side="right",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"])


def xlm_roberta_like():
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = unigram(names, "<unk>")
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True, normalized=False)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", sep_token="</s>", cls_token="<s>",
        unk_token="<unk>", pad_token="<pad>", mask_token="<mask>", model_max_length=128, padding_side="right")
