"""What Python's huggingface_hub makes of the test server of tests/it/hub/server.rs; run by tests/it/hub/peer.rs.

    RMBENCH_TEST_HF_PYTHON=peer/bin/python cargo test --test it hub::peer

Endpoint and cache come from HF_ENDPOINT and HF_HUB_CACHE, which the test sets.
"""

import pathlib
import sys
import time

import huggingface_hub
from huggingface_hub.utils import WeakFileLock


def main(verb: str, *args: str) -> None:
    print(f"huggingface_hub {huggingface_hub.__version__}", file=sys.stderr)
    if verb == "download":
        print(huggingface_hub.snapshot_download(args[0]))
    elif verb == "offline":
        print(huggingface_hub.snapshot_download(args[0], local_files_only=True))
    elif verb == "scan":
        found = huggingface_hub.scan_cache_dir()
        for repo in found.repos:
            print(f"{repo.repo_id} {repo.repo_type} {repo.nb_files} files, {len(found.warnings)} warnings")
            for warning in found.warnings:
                print(warning, file=sys.stderr)
    elif verb == "hold":
        path = pathlib.Path(args[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(path):
            print("held", flush=True)
            time.sleep(float(args[1]))
    else:
        sys.exit(f"no verb is called {verb}")


if __name__ == "__main__":
    main(*sys.argv[1:])
