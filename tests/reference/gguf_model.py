"""The tiny chat model of `chat_model.py` as a GGUF file, for llama.cpp's server. Needs `pip install gguf`.

    python3 tests/reference/gguf_model.py DIRECTORY FILE.gguf
"""

import sys

import gguf
from transformers import AutoTokenizer, LlamaForCausalLM

BLOCK = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def rotary(weight, heads):
    """Pairs (i, i + half) of each head side by side, as llama.cpp turns them."""
    width = weight.shape[1]
    return weight.reshape(heads, 2, -1, width).swapaxes(1, 2).reshape(weight.shape)


def write(directory, path):
    model = LlamaForCausalLM.from_pretrained(directory).float()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    config = model.config
    out = gguf.GGUFWriter(path, "llama")
    out.add_name("tiny")
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_block_count(config.num_hidden_layers)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    out.add_vocab_size(config.vocab_size)
    out.add_file_type(gguf.LlamaFileType.ALL_F32)
    tokens = [tokenizer.convert_ids_to_tokens(i) for i in range(config.vocab_size)]
    special = set(tokenizer.all_special_tokens) | {"<|user|>", "<|assistant|>", "<|system|>"}
    kinds = {True: gguf.TokenType.CONTROL, False: gguf.TokenType.USER_DEFINED}
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(tokens)
    out.add_token_types([gguf.TokenType.NORMAL if len(t) == 1 else kinds[t in special] for t in tokens])
    # The format wants a merge; that of two bytes which no text here has.
    out.add_token_merges(["ð ð"])
    out.add_eos_token_id(config.eos_token_id)
    out.add_pad_token_id(config.eos_token_id)
    out.add_add_bos_token(False)
    out.add_chat_template(tokenizer.chat_template)
    for name, tensor in model.state_dict().items():
        values, module = tensor.numpy(), name.removesuffix(".weight")
        if module in WHOLE:
            name = WHOLE[module]
        else:
            _, _, layer, part = module.split(".", 3)
            name = f"blk.{layer}.{BLOCK[part]}"
            heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(BLOCK[part])
            values = rotary(values, heads) if heads else values
        out.add_tensor(f"{name}.weight", values.copy())
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2])
