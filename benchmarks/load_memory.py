"""Peak memory and time of `rmbench score` on one pair, against the size of the checkpoint: is it loaded without a copy?

Builds checkpoints of random numbers below a directory (a Qwen2-type reward model of about 100 M parameters: 400 MB in
f32, 200 MB in bf16, whole, in shards, and as PyTorch's own file), then runs the binary on one pair and on nothing.

Run:  python benchmarks/load_memory.py target/release/rmbench [DIRECTORY]
Needs torch, safetensors, transformers (tests/reference/requirements.txt) and 2.5 GB of disk.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=11, num_attention_heads=12,
              num_key_value_heads=12, max_position_embeddings=1024, tie_word_embeddings=False, num_labels=1)
PAIR = {"prompt": "How deep is the lake?", "chosen": "Forty metres.", "rejected": "No."}
MB = 1 << 20


def build(root):
    """The checkpoints, in a process of its own: a child's peak begins with its parent's."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/reference"))
    from fixture_files import one_thread

    one_thread()
    import tiny_tokenizers
    import torch
    from transformers import AutoModelForSequenceClassification, Qwen2Config
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = tiny_tokenizers.qwen2_like()
    config = Qwen2Config(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **CONFIG)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    for name, dtype, shards in (("f32", torch.float32, "5GB"), ("f32-shards", torch.float32, "100MB"),
                                ("f32-bin", torch.float32, None), ("bf16", torch.bfloat16, "5GB")):
        directory = root / name
        model.to(dtype)
        model.save_pretrained(directory, max_shard_size=shards or "5GB")
        tokenizer.save_pretrained(directory)
        if shards is None:
            (directory / "model.safetensors").unlink()
            torch.save(model.state_dict(), directory / "pytorch_model.bin")


def run(binary, model, dtype, root):
    """Peak resident bytes and seconds of one run."""
    (root / "pair.jsonl").write_text(json.dumps(PAIR) + "\n")
    out = tempfile.mkdtemp(dir=root)
    command = [binary, "score", "--model", str(model), "--pairs", str(root / "pair.jsonl"), "--out", out,
               "--set", "lang=eng_Latn", "--set", f"dtype={dtype}", "--set", "device=cpu"]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, error
    return usage.ru_maxrss * 1024, time.perf_counter() - started


def main():
    binary = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as root:
        root = Path(root)
        subprocess.run([sys.executable, __file__, "--build", root], check=True)
        dtypes = {"f32": 4, "bf16": 2, "f16": 2}
        tiny = Path(__file__).resolve().parent.parent / "tests/fixtures/arch/qwen2"
        empty = {dtype: run(binary, tiny, dtype, root)[0] for dtype in dtypes}
        print("| checkpoint | file, MB | computed in | peak, MB | above a tiny model | weights as computed, MB | ratio | s |")
        print("|---|--:|---|--:|--:|--:|--:|--:|")
        for directory in sorted(path for path in root.iterdir() if (path / "config.json").exists()):
            name = directory.name
            size = sum(f.stat().st_size for f in directory.iterdir() if f.suffix in (".safetensors", ".bin"))
            for dtype, width in dtypes.items():
                peak, seconds = min(run(binary, directory, dtype, root) for _ in range(3))
                above, wanted = peak - empty[dtype], size * width / (2 if name == "bf16" else 4)
                print(f"| {name} | {size / MB:.0f} | {dtype} | {peak / MB:.0f} | {above / MB:.0f} | {wanted / MB:.0f} "
                      f"| {above / wanted:.2f} | {seconds:.1f} |")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--build":
        build(Path(sys.argv[2]))
    else:
        main()
