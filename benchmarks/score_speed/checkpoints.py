"""Random checkpoints of realistic shape, with tokenizers trained on invented text."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
    Qwen3Config,
    XLMRobertaConfig,
)

from texts import Inventor

VOCAB = 16_000
LONGEST = 4096
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def corpus():
    inventor = Inventor(seed=1)
    return [" ".join(inventor.sentence() for _ in range(8)) for _ in range(4000)]


def qwen3(tokenizer):
    """The proportions of Qwen3-0.6B (queries twice as wide as the stream, half as many key heads, MLP three
    times) at half its width."""
    return Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=512, num_hidden_layers=12, num_attention_heads=8,
        num_key_value_heads=4, head_dim=128, intermediate_size=1536, max_position_embeddings=LONGEST,
        pad_token_id=tokenizer.pad_token_id, num_labels=1, tie_word_embeddings=True, rope_theta=1e6,
        use_cache=False,
    )


def xlm_roberta(tokenizer):
    """XLM-R base's width, heads and MLP; eight of its twelve layers; more positions, as bge-m3 has."""
    return XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=768, num_hidden_layers=8, num_attention_heads=12,
        intermediate_size=3072, max_position_embeddings=LONGEST + 2, type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, num_labels=1, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, classifier_dropout=0.0,
    )


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|endoftext|>", eos_token="<|im_end|>", chat_template=TEMPLATE,
        model_max_length=LONGEST,
    )


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(vocab_size=VOCAB, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    ids = [("<s>", tokenizer.token_to_id("<s>")), ("</s>", tokenizer.token_to_id("</s>"))]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
        cls_token="<s>", sep_token="</s>", mask_token="<mask>", model_max_length=LONGEST,
    )


MODELS = {"qwen3": (byte_level, qwen3), "xlm-roberta": (unigram, xlm_roberta)}


def make(name, directory):
    """Writes the checkpoint once; returns its description."""
    directory = Path(directory)
    about = directory / "about.json"
    if about.is_file():
        return json.loads(about.read_text())
    tokenizer_of, config_of = MODELS[name]
    tokenizer = tokenizer_of()
    config = config_of(tokenizer)
    torch.manual_seed(3)
    model = AutoModelForSequenceClassification.from_config(config, torch_dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                # Wider than for training: at 0.02 attention is nearly uniform and rewards hardly see the text.
                parameter.normal_(0.0, 0.05)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    n_params = sum(p.numel() for p in model.parameters())
    result = {"name": name, "parameters": n_params, "config": config.to_dict()}
    about.write_text(json.dumps(result, indent=1, default=str))
    return result
