#!/usr/bin/env bash
# The statistics of a whole leaderboard: 25 synthetic runs of M-RewardBench's 66,787 items, 10,000 bootstrap
# replicates. Four measurements, one after the other, in the profile that cargo builds by default and optimised:
#   1. the bootstrap alone, beside NumPy's same matrix product and pandas' group-by per replicate;
#   2. all findings (every metric, breakdown, comparison, ranking), with memory;
#   3. `rmbench report`, all formats.
# Usage: PYTHON=python3 benchmarks/report_scale.sh [RUNS [REPEATS]]     (PYTHON needs numpy and pandas)
set -euo pipefail
cd "$(dirname "$0")/.."
runs="${1:-25}"
repeats="${2:-3}"
python="${PYTHON:-python3}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

for profile in "" --release; do
  echo "profile: ${profile:-default}"
  cargo test $profile --locked --quiet --test it metrics::scale::the_bootstrap_alone -- --ignored --nocapture 2>&1 |
    grep '"who"' | tee "$work/rmbench"
  "$python" benchmarks/bootstrap_peers.py | tee "$work/peers"
  "$python" - "$work/rmbench" "$work/peers" <<'PY'
import json, sys

ours = min(json.loads(line)["wall"] for line in open(sys.argv[1]))
for line in open(sys.argv[2]):
    peer = json.loads(line)
    print(f"{peer['who']}: {peer['wall']:.1f} s, {peer['wall'] / ours:.1f} times ours ({ours:.2f} s)")
PY
  cargo test $profile --locked --quiet --test it metrics::scale::a_whole_leaderboard -- --ignored --nocapture 2>&1 |
    grep 'runs x'
done

cargo build --release --locked
RMBENCH_SYNTHETIC_DIR="$work/runs" RMBENCH_SYNTHETIC_RUNS="$runs" \
  cargo test --locked --quiet --test it table::write_synthetic_runs -- --ignored --nocapture >/dev/null
binary="${CARGO_TARGET_DIR:-target}/release/rmbench"

for _ in $(seq "$repeats"); do
  rm -rf "$work/report"
  python3 - "$binary" report "$work"/runs/* --set replicates=10000 --out "$work/report" <<'PY'
import resource, subprocess, sys, time

began = time.time()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"exit {code}: {time.time() - began:.1f} s, {used.ru_utime + used.ru_stime:.1f} CPU s, peak {used.ru_maxrss / 1e6:.2f} GB")
PY
done
