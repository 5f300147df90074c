#!/usr/bin/env bash
# Time and memory of `rmbench report` on 25 synthetic runs of M-RewardBench's 66,787 items, with 1,000
# bootstrap replicates. Builds the optimised binary first. Usage: benchmarks/report_scale.sh [RUNS [REPEATS]]
set -euo pipefail
cd "$(dirname "$0")/.."
runs="${1:-25}"
repeats="${2:-3}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

cargo build --release --locked
RMBENCH_SYNTHETIC_DIR="$work/runs" RMBENCH_SYNTHETIC_RUNS="$runs" \
  cargo test --locked --quiet --test it table::write_synthetic_runs -- --ignored --nocapture >/dev/null
binary="${CARGO_TARGET_DIR:-target}/release/rmbench"

for _ in $(seq "$repeats"); do
  rm -rf "$work/report"
  python3 - "$binary" report "$work"/runs/* --out "$work/report" <<'PY'
import resource, subprocess, sys, time

began = time.time()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"exit {code}: {time.time() - began:.1f} s, {used.ru_utime + used.ru_stime:.1f} CPU s, peak {used.ru_maxrss / 1e6:.2f} GB")
PY
done
