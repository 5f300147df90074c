"""Useful floating-point operations of one forward pass (the model of a decoder's or encoder's layers): linear
layers 2·p per token, attention 4·heads·width per pair of query and key that may see each other."""


def layer(config):
    """(linear weights, of which keys and values, attention factor) of one layer."""
    d, heads, f = config["hidden_size"], config["num_attention_heads"], config["intermediate_size"]
    width = config.get("head_dim") or d // heads
    kv = 2 * d * config.get("num_key_value_heads", heads) * width
    mlp = 3 if config["model_type"] == "qwen3" else 2
    return 2 * d * heads * width + kv + mlp * d * f, kv, 4 * heads * width


def is_causal(config):
    return config["model_type"] == "qwen3"


def padded(config, tokens, squares):
    """A peer: every token through every layer. `squares`: Σ rows · length² of its padded batches. Of a causal
    mask half is counted, whatever the kernel computes."""
    p, _, attention = layer(config)
    area = squares / 2 if is_causal(config) else squares
    return config["num_hidden_layers"] * (2 * p * tokens + attention * area)


def ours(config, items):
    """Shared prefixes once where attention is causal; of the last layer keys and values only, but for the one
    token that is read. `items`: (prefix, [lengths after it]) in tokens."""
    p, kv, attention = layer(config)
    layers, causal = config["num_hidden_layers"], is_causal(config)
    total = 0.0
    for prefix, rest in items:
        if causal:
            tokens = prefix + sum(rest)
            area = prefix**2 / 2 + sum(n * prefix + n * n / 2 for n in rest)
        else:
            tokens = sum(prefix + n for n in rest)
            area = sum((prefix + n) ** 2 for n in rest)
        read = sum(prefix + n for n in rest)
        total += (layers - 1) * (2 * p * tokens + attention * area)
        total += 2 * kv * tokens + 2 * (p - kv) * len(rest) + attention * read
    return total
