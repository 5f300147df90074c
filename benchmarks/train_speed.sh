#!/usr/bin/env bash
# Times `rmbench train` beside TRL's RewardTrainer; about half an hour on two quiet cores. PYTHON needs torch,
# transformers, trl and pyarrow.
# Usage: PYTHON=python3 benchmarks/train_speed.sh [options of train_speed/run.py]
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked
exec "${PYTHON:-python3}" benchmarks/train_speed/run.py --binary "${CARGO_TARGET_DIR:-target}/debug/rmbench" "$@"
