#!/usr/bin/env python3
"""Set-up: bring libtorch 2.11 (CPU) from the Python registry and tell cargo where it lies.

Standard library only. Three cases, the first that holds wins:
  1. LIBTORCH (a directory) or LIBTORCH_USE_PYTORCH=1 is set: that one is kept, nothing is fetched.
  2. The cache directory already has libtorch 2.11.0: only .cargo/libtorch.toml is (re)written.
  3. The wheels are downloaded with pip, the CPU libraries and headers unpacked into the cache.

About 500 MB on disk; 1.05 GB for a moment while unpacking.
"""

import argparse
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

TORCH = "2.11.0"
WHEELS = [f"torch=={TORCH}", "nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cupti==13.0.85"]
TORCH_LIBS = {"libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libshm.so", "libtorch_global_deps.so"}
# libtorch_cpu.so of this wheel names these two; the rest of the CUDA stack is not needed.
CUDA_LIBS = {"libcudart.so.13", "libcupti.so.13"}
PLATFORMS = ["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"]
ROOT = pathlib.Path(__file__).resolve().parent.parent


def say(text):
    print(f"setup: {text}", file=sys.stderr, flush=True)


def stop(text, hint):
    print(f"error: {text}\nhint: {hint}", file=sys.stderr)
    sys.exit(2)


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base).resolve() / "rmbench" / f"libtorch-{TORCH}-cpu"


def complete(directory):
    version = directory / "build-version"
    return (
        version.is_file()
        and version.read_text().startswith(TORCH)
        and (directory / "lib" / "libtorch_cpu.so").is_file()
        and (directory / "include" / "torch").is_dir()
    )


def check_machine():
    if sys.platform != "linux" or platform.machine() != "x86_64":
        stop(
            f"this set-up knows Linux on x86_64, not {sys.platform} on {platform.machine()}",
            f"install PyTorch {TORCH} yourself, then build with LIBTORCH_USE_PYTORCH=1",
        )
    if not (shutil.which("c++") or shutil.which("g++")):
        stop("no C++ compiler found", "install one, on Debian or Ubuntu: apt-get install g++")
    have_pip = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True)
    if have_pip.returncode != 0:
        stop("this Python has no pip", "install it, on Debian or Ubuntu: apt-get install python3-pip")


def download(folder):
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--python-version", "3.11", "-d", str(folder)]
    for name in PLATFORMS:
        command += ["--platform", name]
    if subprocess.run(command + WHEELS).returncode != 0:
        stop(
            f"pip could not download {', '.join(WHEELS)}",
            "check the network and pip's index; or point LIBTORCH at a libtorch 2.11.0 of yours",
        )


def wanted(name):
    """Where a wheel's member goes below the libtorch directory, or None."""
    path = pathlib.PurePosixPath(name)
    if path.parts[:2] == ("torch", "include"):
        return pathlib.Path(*path.parts[1:])
    folder = path.parent.as_posix()
    if (folder == "torch/lib" and path.name in TORCH_LIBS) or (folder == "nvidia/cu13/lib" and path.name in CUDA_LIBS):
        return pathlib.Path("lib") / path.name
    return None


def unpack(wheels, target):
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                relative = None if member.is_dir() else wanted(member.filename)
                if relative is None:
                    continue
                out = target / relative
                out.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(out, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    missing = [name for name in sorted(TORCH_LIBS | CUDA_LIBS) if not (target / "lib" / name).is_file()]
    if missing:
        stop(f"the wheels lack {', '.join(missing)}", "report this: the wheel layout has changed")
    (target / "lib" / "libtorch.so").symlink_to("libtorch_cpu.so")
    (target / "build-version").write_text(f"{TORCH}+cpu\n")


def install(destination, wheels):
    destination.parent.mkdir(parents=True, exist_ok=True)
    began = time.time()
    with tempfile.TemporaryDirectory(dir=destination.parent) as scratch:
        part = pathlib.Path(scratch) / "libtorch"
        source = pathlib.Path(wheels) if wheels else pathlib.Path(scratch) / "wheels"
        if not wheels:
            say(f"downloading {', '.join(WHEELS)} (about 540 MB)")
            source.mkdir()
            download(source)
        say(f"unpacking the CPU part into {destination}")
        unpack(source, part)
        shutil.rmtree(destination, ignore_errors=True)
        part.rename(destination)
    say(f"done in {time.time() - began:.0f} s")


def point_cargo_at(directory):
    """Write .cargo/libtorch.toml; without `force`, so that a LIBTORCH in the environment wins."""
    config = ROOT / ".cargo" / "libtorch.toml"
    text = f'# Written by tools/libtorch.py.\n[env]\nLIBTORCH = "{directory}"\n'
    if config.is_file() and config.read_text() == text:
        return
    config.parent.mkdir(exist_ok=True)
    fresh = config.with_suffix(".toml.new")
    fresh.write_text(text)
    fresh.replace(config)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dest", type=pathlib.Path, help="libtorch directory (default: in the user's cache)")
    parser.add_argument("--wheels", help="folder that already holds the three wheels")
    args = parser.parse_args()

    own = os.environ.get("LIBTORCH")
    if own or os.environ.get("LIBTORCH_USE_PYTORCH"):
        say(f"keeping yours: {'LIBTORCH=' + own if own else 'the PyTorch of the active environment'}")
        return
    destination = (args.dest or cache_dir()).resolve()
    if complete(destination):
        say(f"libtorch {TORCH} is in {destination}")
    else:
        check_machine()
        install(destination, args.wheels)
    point_cargo_at(destination)


if __name__ == "__main__":
    main()
