"""Small tokenizers of further families, built with transformers' own classes or with `tokenizers`' parts.

Imported by `tokenizers_ids.py`, which saves them in tests/fixtures/tokenizers/; nothing to run.
"""

from collections import Counter

from invented_scripts import SCRIPTS
from invented_texts import SENTENCES
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import GemmaTokenizer, LlamaTokenizer, PreTrainedTokenizerFast

CORPUS = [text for _, text in SENTENCES[:62] + SCRIPTS[:12]]

O200K = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])


def byte_level(size, pre, normalizer=None, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(pre)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=size, show_progress=False, min_frequency=2, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    return tokenizer


def isolated(pattern):
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False)


BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def finished(tokenizer, *specials, **names):
    tokenizer.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in specials])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **names)


def o200k():
    return finished(byte_level(420, [isolated(O200K), BYTES], ignore_merges=True), "<|endoftext|>", "<|im_start|>", "<|im_end|>",
                    eos_token="<|im_end|>", pad_token="<|endoftext|>")


def deepseek():
    """A chain of splits, ByteLevel last; the BOS of the post-processor is not what the config says."""
    tokenizer = byte_level(420, [isolated(r"[\r\n]"), isolated(r"\s?\p{L}+"), isolated(r"\s?\p{P}+"), isolated(r"[一-龥ࠀ-一가-퟿]+"),
                                 pre_tokenizers.Digits(individual_digits=True), BYTES])
    return finished(tokenizer, "<bos>", "<eos>", bos_token="<bos>", eos_token="<eos>", pad_token="<eos>", add_bos_token=True)


def cohere():
    tokenizer = byte_level(420, [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)], normalizers.NFC())
    fast = finished(tokenizer, "<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>", bos_token="<BOS_TOKEN>", eos_token="<|END_OF_TURN_TOKEN|>")
    fast.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<BOS_TOKEN> $A", pair="<BOS_TOKEN> $A <BOS_TOKEN> $B", special_tokens=[("<BOS_TOKEN>", fast.bos_token_id)])
    return fast


def roberta():
    tokenizer = byte_level(420, [pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.add_special_tokens(["<s>", "</s>", "<pad>", "<unk>", AddedToken("<mask>", lstrip=True, special=True, normalized=False)])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", tokenizer.token_to_id("</s>")), ("<s>", tokenizer.token_to_id("<s>")), add_prefix_space=False, trim_offsets=True)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>",
                                   pad_token="<pad>", unk_token="<unk>", mask_token="<mask>")


def metaspace_vocabulary(specials):
    """SentencePiece BPE with byte fallback: specials, bytes, characters and merges of the corpus."""
    words = Counter("▁" + word for text in CORPUS for word in text.split(" "))
    letters = Counter(c for word, n in words.items() for c in word * n)
    pieces = [c for c, _ in sorted(letters.items(), key=lambda kv: (-kv[1], kv[0]))[:160]]
    split, merges = {word: list(word) for word in words}, []
    for _ in range(120):
        pairs = Counter()
        for word, parts in split.items():
            for pair in zip(parts, parts[1:]):
                if all(part in pieces for part in pair):
                    pairs[pair] += words[word]
        (a, b), _ = min(pairs.items(), key=lambda kv: (-kv[1], kv[0]))
        merges.append((a, b))
        if a + b not in pieces:
            pieces.append(a + b)
        for word, parts in split.items():
            joined = []
            for part in parts:
                if joined and joined[-1] == a and part == b:
                    joined[-1] = a + b
                else:
                    joined.append(part)
            split[word] = joined
    names = [*specials, *(f"<0x{byte:02X}>" for byte in range(256)), *(p for p in pieces if p not in specials)]
    return {piece: i for i, piece in enumerate(names)}, merges


def llama2():
    vocabulary, merges = metaspace_vocabulary(["<unk>", "<s>", "</s>"])
    fast = LlamaTokenizer(vocab=vocabulary, merges=merges, add_bos_token=True)
    fast.backend_tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return fast


def llama2_legacy():
    """As older converters wrote it: the dummy prefix by the normalizer, no pre-tokenizer."""
    vocabulary, merges = metaspace_vocabulary(["<unk>", "<s>", "</s>"])
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return finished(tokenizer, "<unk>", "<s>", "</s>", unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def gemma():
    vocabulary, merges = metaspace_vocabulary(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])
    fast = GemmaTokenizer(vocab=vocabulary, merges=merges)
    fast.add_tokens(["<start_of_turn>", "<end_of_turn>", AddedToken("\n\n", normalized=False), AddedToken("▁▁", normalized=False)])
    fast.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos>:1 $B:1", special_tokens=[("<bos>", fast.bos_token_id)])
    return fast


def bert_cased():
    characters = Counter(c for text in CORPUS for c in text if not c.isspace())
    singles = [c for c, _ in sorted(characters.items(), key=lambda kv: (-kv[1], kv[0]))[:170]]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *singles, *("##" + c for c in singles), "The", "##ing", "boat", "##er"]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", sep_token="[SEP]", pad_token="[PAD]", cls_token="[CLS]",
                                   mask_token="[MASK]")


def unigram_bytes():
    """Unigram with byte fallback, NFKC and the dummy prefix on the first word only."""
    vocabulary, _ = metaspace_vocabulary(["<pad>", "</s>", "<unk>"])
    scores = [(piece, 0.0 if i < 3 or piece.startswith("<0x") else -2.0 - 0.01 * i + 1.5 * len(piece) / 4) for i, piece in enumerate(vocabulary)]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=2, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Strip(left=False, right=True), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=True)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", 1)])
    return finished(tokenizer, "<pad>", "</s>", "<unk>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>")


FAMILIES = {build.__name__: build for build in (
    o200k, deepseek, cohere, roberta, llama2, llama2_legacy, gemma, bert_cased, unigram_bytes)}
