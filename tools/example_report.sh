#!/usr/bin/env bash
# Copies the report of a demonstration into reports/example-demo: the page, the Markdown and its figures.
# Usage: tools/example_report.sh DEMO_DIRECTORY
set -euo pipefail
from="${1:?the directory that rmbench demo wrote}/report"
to="$(cd "$(dirname "$0")/.." && pwd)/reports/example-demo"
rm -rf "$to"
mkdir -p "$to/figures"
cp "$from/report.html" "$from/report.md" "$to/"
# What the Markdown shows, and the PNGs of the first figures.
grep -o 'figures/[^)]*' "$from/report.md" | sort -u | while read -r figure; do cp "$from/$figure" "$to/figures/"; done
for figure in "$from"/figures/{leaderboard,languages,gap}-1-*.png; do cp "$figure" "$to/figures/"; done
