#!/usr/bin/env bash
# Times `rmbench score` beside RewardBench's loop and sorted transformers; about a quarter of an hour on two
# quiet cores. PYTHON needs torch, transformers, tokenizers, pandas and pyarrow.
# Usage: PYTHON=python3 benchmarks/score_speed.sh [options of score_speed/run.py]
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked
exec "${PYTHON:-python3}" benchmarks/score_speed/run.py --binary "${CARGO_TARGET_DIR:-target}/debug/rmbench" "$@"
