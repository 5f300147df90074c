#!/usr/bin/env bash
# A reward model of each kind on one benchmark, in one report: scalar (a head), implicit (DPO), generative (a judge that prefers
# A or B, weighed by its probabilities). Tiny models, little training: what they know is little, that the three stand side by
# side is the point.
#
#   tools/three_kinds.sh TRAIN.parquet BENCH.parquet OUT
#
# MODEL: a language model to train the last two on; without it PYTHON (with torch and transformers) writes a tiny random one.
# RMBENCH: the binary. SHARE: how much of TRAIN is used (0.004).
set -euo pipefail

[ $# -eq 3 ] || {
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
root=$(cd "$(dirname "$0")/.." && pwd)
train=$(realpath "$1") bench=$(realpath "$2")
rmbench=$(realpath "${RMBENCH:-$root/target/debug/rmbench}")
share=${SHARE:-0.004}
model=${MODEL:-tiny}
mkdir -p "$3"
cd "$3"

run() {
    printf '$ rmbench %s\n' "$*"
    # 1: finished, and something is missing, which the report says.
    "$rmbench" "$@" || [ $? -eq 1 ]
}

if [ -z "${MODEL:-}" ]; then
    "${PYTHON:-python3}" "$root/tests/reference/chat_model.py" tiny
fi
some=(--set "source.fraction=$share" --set lr=1e-3 --set text.max-length=2048)

run train --data "$train" --model init:tiny --set "source.fraction=$share" --set epochs=1 --set pretraining.epochs=0.5 --out models/scalar
run train --data "$train" --model "$model" --objective dpo "${some[@]}" --set over-length=cut-prompt --out models/implicit
run data judgments "$train" --judge preference --out verdicts.parquet
run train --data verdicts.parquet --model "$model" --objective sft "${some[@]}" --set over-length=drop --out models/judge

run score --model models/scalar --pairs "$bench" --out runs/scalar
run score --model models/implicit --pairs "$bench" --out runs/implicit
run score --model models/judge --judge preference --pairs "$bench" --set judge.verdicts=soft --out runs/judge
run report runs/scalar runs/implicit runs/judge --annotations "$bench" --out report
