"""Writing fixtures: versions, readable JSON, safetensors with a fixed order."""

import json
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
PACKAGES = ["torch", "transformers", "trl", "tokenizers", "safetensors", "numpy"]


def versions(*more):
    """Versions of python and of the packages that computed a fixture (torch without its build suffix)."""
    found = {"python": platform.python_version()}
    for name in [*PACKAGES, *more]:
        found[name] = version(name).split("+")[0]
    return found


def one_thread():
    """One thread everywhere: reproducible sums. Call before importing tokenizers' users."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


_FLAT_LIST = re.compile(r"\[\s+((?:-?[\d.eE+-]+|null|true|false)(?:,\s+(?:-?[\d.eE+-]+|null|true|false))*)\s+\]")


def write_json(path, value):
    """Indented JSON in UTF-8, lists of numbers on one line, newline at the end, no NaN or infinity."""
    text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False)
    text = _FLAT_LIST.sub(lambda m: "[" + re.sub(r",\s+", ", ", m.group(1)) + "]", text)
    assert json.loads(text) == value
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")


def write_tensors(path, tensors):
    """safetensors, names sorted, contiguous copies."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = {name: tensors[name].detach().clone().contiguous() for name in sorted(tensors)}
    save_file(ordered, path, metadata={"format": "pt"})
    readable(path)


def readable(*paths):
    """safetensors leaves files that only their owner can read."""
    for path in paths:
        path.chmod(0o644)
