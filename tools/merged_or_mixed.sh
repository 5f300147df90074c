#!/usr/bin/env bash
# Mix the data or merge the models? One model per language and one of all together, from the same beginning on the same
# pairs; the former merged in every way there is; all scored and compared with mixing, by language and category.
# Usage: tools/merged_or_mixed.sh TRAIN BENCH MODEL LANG,LANG,... OUT [further options of rmbench train]
#   MODEL: a checkpoint, so that the models begin alike; TRAIN's first pairs are what heads are matched on.
set -euo pipefail
train="${1:?pairs to train on}" bench="${2:?pairs to score on}" model="${3:?a checkpoint to begin with}"
langs="${4:?languages, separated by commas}" out="${5:?a directory}"
shift 5
rmbench="${RMBENCH:-rmbench}"
[ -e "$out/models/mixed/run.json" ] ||
    "$rmbench" train --data "$train" --model "$model" --out "$out/models/mixed" --set source.langs="$langs" "$@" \
        $([ -d "$out/models/mixed" ] && echo --resume)
own=()
for lang in ${langs//,/ }; do
    own+=("$out/models/$lang")
    [ -e "$out/models/$lang/run.json" ] ||
        "$rmbench" train --data "$train" --model "$model" --out "$out/models/$lang" --set source.langs="$lang" "$@" \
            $([ -d "$out/models/$lang" ] && echo --resume)
done
"$rmbench" merge "${own[@]}" --match-heads "$train" --out "$out/models/linear"
for method in ties dare-ties task-arithmetic; do
    "$rmbench" merge "${own[@]}" --method "$method" --base "$model" --match-heads "$train" --out "$out/models/$method"
done
names=(mixed linear ties dare-ties task-arithmetic ${langs//,/ })
if [ ${#own[@]} -eq 2 ]; then
    "$rmbench" merge "${own[@]}" --method slerp --match-heads "$train" --out "$out/models/slerp"
    names+=(slerp)
fi
runs=()
for name in "${names[@]}"; do
    runs+=("$out/runs/$name")
    [ -e "$out/runs/$name/scores.parquet" ] ||
        "$rmbench" score --model "$out/models/$name" --pairs "$bench" --langs "$langs" --out "$out/runs/$name" \
            $([ -d "$out/runs/$name" ] && echo --resume)
done
"$rmbench" report "${runs[@]}" --baseline "$out/runs/mixed" --out "$out/report"
