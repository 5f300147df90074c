"""Long sequences through the decoders of tests/fixtures/arch: far beyond their windows and the lengths that their rotary
positions were scaled from.

Writes tests/fixtures/long.json: the ids of two sequences that share most of their tokens, and per decoder the state of
the last token and the reward of each, computed alone; and how far float32 is from float64 there.

Run (a minute on one core):  python tests/reference/long_contexts.py
"""

import architectures
import decoders  # noqa: F401  (registers Cohere's classifiers)
import internlm2
import torch
from architectures import ATTENTION, FIXTURES, no_narrowing, run_alone
from fixture_files import versions, write_json

SHARED, LENGTHS, VOCABULARY = 1100, (1500, 1290), 370  # ids below the special tokens of every tokenizer


def invented_ids(seed, n):
    """Numbers without a pattern that a window could hide."""
    ids = []
    for _ in range(n):
        seed = (1103515245 * seed + 12345) % 2**31
        ids.append((seed >> 16) % VOCABULARY)
    return ids


def load(directory, dtype):
    if directory.name == "internlm2":
        return internlm2.load(directory, dtype, ATTENTION)
    return architectures.load(directory, dtype)


def compute(directory, sequences, dtype):
    model = load(directory, dtype)
    with no_narrowing(dtype):
        found = [run_alone(model, ids) for ids in sequences]
    return torch.stack([hidden[-1] for _, hidden in found]), torch.stack([reward for reward, _ in found])


if __name__ == "__main__":
    common = invented_ids(1, SHARED)
    sequences = [common + invented_ids(2 + i, n - SHARED) for i, n in enumerate(LENGTHS)]
    cases = []
    for directory in sorted((FIXTURES / "arch").iterdir()):
        if directory.name in architectures.ENCODERS or not (directory / "chat_template.jinja").is_file():
            continue
        states, rewards = compute(directory, sequences, torch.float32)
        exact, _ = compute(directory, sequences, torch.float64)
        error = float(f"{(states.double() - exact).abs().max().item():.3g}")
        cases.append({"name": directory.name, "states": [s.tolist() for s in states], "rewards": rewards.tolist(),
                      "float32_error": error})
        print(directory.name, [round(r, 3) for r in rewards.tolist()], error)
    write_json(FIXTURES / "long.json", {
        "versions": versions(), "script": "tests/reference/long_contexts.py", "sequences": sequences, "cases": cases})
