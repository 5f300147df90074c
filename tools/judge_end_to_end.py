"""Judge with a real server, end to end, on one machine and without a download.

Builds a tiny random chat model, starts a server with it on a free port of loopback, lets rmbench judge a few invented
pairs, judges them again (every reply comes from the cache), and writes a report. What the model says is chance; that it
goes through server, verdict grammar, tables and report is the point.

With `transformers serve` (pip install 'transformers[serving]'), or with llama.cpp's server (pip install transformers torch
gguf xllamacpp), which also gives log-probabilities: there the verdicts are weighed, over both APIs.

    python3 tools/judge_end_to_end.py --rmbench target/debug/rmbench --transformers "$(command -v transformers)" --out /tmp/judge
    python3 tools/judge_end_to_end.py --rmbench target/debug/rmbench --llama-cpp --out /tmp/judge
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

REFERENCE = Path(__file__).resolve().parent.parent / "tests" / "reference"
sys.path.insert(0, str(REFERENCE))

LANGUAGES = ["eng_Latn", "arb_Arab", "deu_Latn", "hin_Deva", "jpn_Jpan", "tur_Latn"]


def pairs(path):
    with open(path, "w", encoding="utf-8") as file:
        for item in range(4):
            for lang in LANGUAGES:
                row = {"id": f"item-{item}", "language": lang, "prompt": f"Question {item}?", "chosen": "a careful answer " * (item + 1),
                       "rejected": "a hasty answer"}
                file.write(json.dumps(row) + "\n")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(server, port, seconds=180):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit(f"the server ended with {server.returncode}; see server.log")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    sys.exit(f"the server does not answer within {seconds} s; see server.log")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rmbench", required=True, type=Path)
    servers = parser.add_mutually_exclusive_group(required=True)
    servers.add_argument("--transformers", type=Path)
    servers.add_argument("--llama-cpp", action="store_true")
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    rmbench = str(arguments.rmbench.absolute())
    out.mkdir(parents=True, exist_ok=True)
    import chat_model

    chat_model.write(out / "model")
    pairs(out / "pairs.jsonl")
    port = free_port()
    model_name = str(out / "model")
    if arguments.llama_cpp:
        import gguf_model

        gguf_model.write(out / "model", out / "tiny.gguf")
        command = [sys.executable, str(REFERENCE / "llama_server.py"), str(out / "tiny.gguf"), str(port)]
        model_name = "tiny.gguf"
        runs = [("run", "chat", ["--set", "judge.verdicts=soft"]), ("again", "chat", ["--set", "judge.verdicts=soft"]),
                ("completions", "completions", ["--set", "judge.verdicts=soft"])]
    else:
        command = [str(arguments.transformers.absolute()), "serve", str(out / "model"), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
        runs = [("run", "chat", []), ("again", "chat", [])]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}
    with open(out / "server.log", "w", encoding="utf-8") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        wait_for(server, port)
        model = f"endpoint:http://127.0.0.1:{port}/v1#{model_name}"
        for run, api, more in runs:
            command = [rmbench, "score", "--model", model, "--judge", "pairwise", "--pairs", "pairs.jsonl", "--out", run,
                       "--set", "judge.max-tokens=12", "--set", "endpoint.cache=replies", "--set", "endpoint.concurrency=2", "--set", f"judge.api={api}", "--set", f"name=tiny judge, {api}", *more]
            print("$", " ".join(command), flush=True)
            # 1: finished, and some replies have no verdict.
            if subprocess.run(command, cwd=out).returncode > 1:
                sys.exit("judging failed")
        if (out / "run/judgments.parquet").read_bytes() != (out / "again/judgments.parquet").read_bytes():
            sys.exit("the second run differs from the first")
        command = [rmbench, "report", *[run for run, _, _ in runs if run != "again"], "--out", "report"]
        print("$", " ".join(command), flush=True)
        subprocess.run(command, cwd=out, check=True)
    finally:
        server.terminate()
        server.wait(timeout=30)


if __name__ == "__main__":
    main()
