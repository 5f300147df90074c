"""Merged weights by the formulas of spec and mergekit, in NumPy, and what transformers makes of merged checkpoints.

Run:  python tests/reference/merge.py
Writes tests/fixtures/merge.json:
 cases    small vectors through every method, in f64; DARE's draws by ChaCha8 written out here
 scores   rewards of checkpoints merged here, loaded in transformers; the merged models are arch/llama with its
          tensors moved by a formula that the Rust test repeats
"""

import hashlib
import json
import struct
import tempfile
from pathlib import Path

import numpy as np

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

import torch  # noqa: E402
from safetensors.numpy import load_file, save_file  # noqa: E402
from transformers import AutoModelForSequenceClassification  # noqa: E402

ARCH = FIXTURES / "arch" / "llama"


def chacha8_uniforms(seed, name, key, n):
    """n numbers in [0, 1): ChaCha8 keyed by SHA-256(seed, length of name, name, key), 53 bits of each 64."""
    digest = hashlib.sha256()
    digest.update(struct.pack("<Q", seed))
    digest.update(struct.pack("<Q", len(name)))
    digest.update(name.encode())
    digest.update(key.encode())
    words = struct.unpack("<8I", digest.digest())
    mask = 0xFFFFFFFF

    def rotate(x, k):
        return ((x << k) | (x >> (32 - k))) & mask

    def quarter(s, a, b, c, d):
        s[a] = (s[a] + s[b]) & mask
        s[d] = rotate(s[d] ^ s[a], 16)
        s[c] = (s[c] + s[d]) & mask
        s[b] = rotate(s[b] ^ s[c], 12)
        s[a] = (s[a] + s[b]) & mask
        s[d] = rotate(s[d] ^ s[a], 8)
        s[c] = (s[c] + s[d]) & mask
        s[b] = rotate(s[b] ^ s[c], 7)

    out, block = [], 0
    while len(out) < 2 * n:
        start = list(struct.unpack("<4I", b"expand 32-byte k")) + list(words)
        start += [block & mask, block >> 32, 0, 0]
        state = list(start)
        for _ in range(4):
            for column in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
                quarter(state, *column)
            for diagonal in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
                quarter(state, *diagonal)
        out += [(a + b) & mask for a, b in zip(state, start)]
        block += 1
    return np.array([((out[2 * i + 1] << 32 | out[2 * i]) >> 11) / 2.0**53 for i in range(n)])


def linear(models, weights, normalise):
    total = sum(w * m for w, m in zip(weights, models))
    return total / sum(weights) if normalise else total


def slerp(a, b, t):
    def unit(v):
        norm = np.linalg.norm(v)
        return v / norm if norm > 1e-8 else v

    dot = np.sum(unit(a) * unit(b))
    if abs(dot) > 0.9995:
        return (1 - t) * a + t * b
    omega = np.arccos(dot)
    return np.sin(omega - omega * t) / np.sin(omega) * a + np.sin(omega * t) / np.sin(omega) * b


def largest(delta, density):
    flat = delta.ravel()
    if density >= 1:
        return delta
    keep = np.argsort(-np.abs(flat), kind="stable")[: int(density * flat.size)]
    out = np.zeros_like(flat)
    out[keep] = flat[keep]
    return out.reshape(delta.shape)


def deltas(base, models, weights, *, minus=None, thin=lambda i, d: d, elect, normalise, lam):
    found = [thin(i, m - (base if minus is None else minus[i])) for i, m in enumerate(models)]
    weighted = np.stack([w * d for w, d in zip(weights, found)])
    column = np.array(weights).reshape([-1] + [1] * base.ndim)
    if elect:
        # A sum that is 0 but for rounding would leave the sign to the order of adding up.
        sums = np.abs(weighted.sum(0))
        assert not ((sums > 0) & (sums < 1e-9)).any() or base.size > 1000, sums
        majority = np.where(weighted.sum(0) >= 0, 1.0, -1.0)
        agree = (np.sign(weighted) == majority).astype(np.float64)
        mixed, divisor = (weighted * agree).sum(0), (column * agree).sum(0)
    else:
        mixed, divisor = weighted.sum(0), np.full(base.shape, column.sum())
    if normalise:
        mixed = mixed / np.where(np.abs(divisor) < 1e-8, 1.0, divisor)
    return base + lam * mixed


def cases():
    """Vectors with ties in magnitude, zeros, and entries whose signs disagree."""
    rng = np.random.default_rng(7)
    # Few binary digits: ties and sums of 0 are exact, whoever reads the file and adds up in whatever order.
    base = np.round(rng.normal(size=41) * 64) / 64
    steps = np.round(rng.normal(size=(3, 41)) * 8) / 8
    models = [base + step for step in steps]
    models[0][:6] = base[:6]
    minus = [base - 0.5 * step[::-1] for step in steps]
    keys = ["first", "second", "third"]
    weights, seed = [1.0, 0.5, 0.25], 11
    name = "model.layers.0.mlp.up_proj.weight"

    def dare(density):
        def thin(i, delta):
            draws = chacha8_uniforms(seed, "dare", f"{keys[i]}/{name}", delta.size)
            return np.where(draws < density, delta / density, 0.0)
        return thin

    inputs = {"base": base, "models": models, "minus": minus}
    found = []

    def case(label, rule, expected, weights=weights, n=3, with_minus=False):
        found.append({"case": label, "rule": rule, "weights": weights, "n": n, "minus": with_minus,
                      "expected": expected.tolist()})

    case("linear", {"linear": {"normalise": True}}, linear(models, weights, True))
    case("linear, not divided", {"linear": {"normalise": False}}, linear(models, weights, False))
    for t in (0.0, 0.3, 0.5, 1.0):
        case(f"slerp {t}", {"slerp": {}}, slerp(models[0], models[1], t), [1 - t, t], 2)
    for with_minus in (False, True):
        m = minus if with_minus else None
        for lam in (1.0, -0.7):
            case(f"task arithmetic {lam}", {"deltas": {"thin": None, "elect": False, "normalise": False, "lambda": lam}},
                 deltas(base, models, weights, minus=m, elect=False, normalise=False, lam=lam), with_minus=with_minus)
        for density in (0.2, 0.5, 1.0):
            for normalise in (True, False):
                case(f"ties {density}",
                     {"deltas": {"thin": {"largest": density}, "elect": True, "normalise": normalise, "lambda": 1.0}},
                     deltas(base, models, weights, minus=m, thin=lambda i, d, k=density: largest(d, k), elect=True,
                            normalise=normalise, lam=1.0), with_minus=with_minus)
        for density in (0.3, 0.9):
            case(f"dare-ties {density}",
                 {"deltas": {"thin": {"random": density, "seed": seed}, "elect": True, "normalise": False, "lambda": 1.5}},
                 deltas(base, models, weights, minus=m, thin=dare(density), elect=True, normalise=False, lam=1.5),
                 with_minus=with_minus)
    # Weights of both signs: the divisor may vanish.
    case("ties, weights that cancel",
         {"deltas": {"thin": {"largest": 0.6}, "elect": True, "normalise": True, "lambda": 1.0}},
         deltas(base, models, [1.0, -1.0, 0.5], thin=lambda i, d: largest(d, 0.6), elect=True, normalise=True, lam=1.0),
         [1.0, -1.0, 0.5])
    inputs = {key: np.asarray(value).tolist() for key, value in inputs.items()}
    return {"name": name, "keys": keys, **inputs, "cases": found}


def moved(tensors, k):
    """The k-th model: every tensor moved by 0.03 * sin(0.7 i + k + length of its name)."""
    def move(name, tensor):
        index = np.arange(tensor.size, dtype=np.float64).reshape(tensor.shape)
        return (tensor.astype(np.float64) + 0.03 * np.sin(0.7 * index + k + len(name))).astype(np.float32)
    return {name: move(name, tensor) for name, tensor in tensors.items()}


def rewards(tensors):
    """Rewards of arch/llama's pairs with other weights."""
    inputs = json.loads((ARCH / "inputs.json").read_text())
    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            (directory / name).write_bytes((ARCH / name).read_bytes())
        save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
        model, info = AutoModelForSequenceClassification.from_pretrained(
            directory, dtype=torch.float32, output_loading_info=True)
    assert not any(info.values()), info
    model.eval()
    found = []
    with torch.no_grad():
        for pair in inputs["pairs"]:
            one = [model(input_ids=torch.tensor([pair[key]])).logits[0, 0].item() for key in ("chosen_ids", "rejected_ids")]
            found.append(one)
    return found


def scores():
    base = load_file(ARCH / "model.safetensors")
    models = [moved(base, k) for k in (1, 2, 3)]
    minus = [moved(base, k) for k in (4, 5, 6)]
    weights = [1.0, 0.5, 0.25]

    def everywhere(formula):
        wide = lambda tensors, name: tensors[name].astype(np.float64)  # noqa: E731
        return {name: formula(wide(base, name), [wide(m, name) for m in models], [wide(m, name) for m in minus])
                .astype(np.float32) for name in base}

    merged = {
        "linear": everywhere(lambda b, m, _: linear(m, weights, True)),
        "slerp": everywhere(lambda b, m, _: slerp(m[0], m[1], 0.5 / 1.5)),
        "ties": everywhere(lambda b, m, _: deltas(b, m, weights, thin=lambda i, d: largest(d, 0.5), elect=True,
                                                  normalise=True, lam=1.0)),
        "task-arithmetic": everywhere(lambda b, m, n: deltas(b, m, weights, minus=n, elect=False, normalise=False,
                                                             lam=0.5)),
    }
    return {"weights": weights, "rewards": {name: rewards(tensors) for name, tensors in merged.items()}}


if __name__ == "__main__":
    write_json(FIXTURES / "merge.json", {"versions": versions(), **cases(), "scores": scores()})
