"""Fixtures of PyTorch's own files: state dicts as torch.save writes them, and what torch.load makes of them.

Writes tests/fixtures/pickle/: state dicts of several element types, with strided views, shared storages and
parameters, in protocols 2 and 4, one in the format before 1.6, one that holds more than tensors; and
`expected.safetensors`, every tensor as `torch.load` returns it (`weights_only=True` where that can read the file), named `<file>/<tensor>`.

Run (5 s):  python tests/reference/pickles.py
"""

import collections
import shutil
import types

from fixture_files import FIXTURES, one_thread, readable, versions, write_json, write_tensors

one_thread()

import torch  # noqa: E402

DIRECTORY = FIXTURES / "pickle"


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def module_state():
    """What `module.state_dict()` gives: an OrderedDict with attributes."""
    torch.manual_seed(1)
    module = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 2)).half()
    module.register_buffer("steps", torch.tensor(3))
    return module.state_dict()


def views():
    """Tensors that share storages, with offsets, strides and gaps."""
    whole = noise(6, 8)
    return {
        "whole": whole, "tied": whole, "transposed": whole.t(), "rows": whole[2:4], "columns": whole[:, 1:3],
        "every_third": whole.flatten()[1::3], "scalar": whole[3, 3], "empty": whole[:0], "one_row": whole[5:6].t(),
    }


STATES = {
    "module.bin": (module_state(), 2),
    "views.bin": (views(), 2),
    "types.bin": ({str(dtype).removeprefix("torch."): (10 * noise(3, 5, seed=2)).to(dtype) for dtype in (
        torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16,
        torch.int8, torch.uint8, torch.bool)}, 2),
    "parameters.bin": (collections.OrderedDict(
        a=torch.nn.Parameter(noise(3, seed=3)), b=torch.nn.Parameter(noise(2, 2, seed=4).bfloat16())), 2),
    "protocol4.bin": (views() | {"bf16": noise(5, seed=5).bfloat16()}, 4),
}


def main():
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(parents=True)
    expected = {}
    for name, (state, protocol) in STATES.items():
        torch.save(state, DIRECTORY / name, pickle_protocol=protocol)
        # PyTorch's own safe reader stops at protocol 2.
        loaded = torch.load(DIRECTORY / name, weights_only=protocol == 2, map_location="cpu")
        assert list(loaded) == list(state)
        expected |= {f"{name}/{key}": tensor for key, tensor in loaded.items()}
    write_tensors(DIRECTORY / "expected.safetensors", expected)
    torch.save({"a": noise(2)}, DIRECTORY / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"a": noise(2), "settings": types.SimpleNamespace(lr=1e-4)}, DIRECTORY / "namespace.bin")
    torch.save({"a": noise(2), "epoch": 3}, DIRECTORY / "epoch.bin")
    torch.save([noise(2)], DIRECTORY / "list.bin")
    write_json(DIRECTORY / "meta.json", {"versions": versions(), "script": "tests/reference/pickles.py"})
    readable(*DIRECTORY.iterdir())
    print(f"{len(expected)} tensors, {sum(f.stat().st_size for f in DIRECTORY.iterdir()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
