# The whole developer interface. `just` lists it.

set shell := ["bash", "-euo", "pipefail", "-c"]

_list:
    @just --list --unsorted

# Bring libtorch 2.11 (CPU) from the Python registry, once; a LIBTORCH of yours is kept.
setup:
    @command -v python3 >/dev/null || { echo "error: python3 is missing; on Debian or Ubuntu: apt-get install python3 python3-pip" >&2; exit 2; }
    @command -v cargo >/dev/null || { echo "error: cargo is missing; install Rust 1.95 or newer with rustup" >&2; exit 2; }
    @python3 tools/libtorch.py

# Build (development profile; heavy work runs in libtorch either way).
build: setup
    cargo build --locked

# The main job on embedded data: synthetic pairs in 24 languages, a tiny model, scores, a report.
demo *ARGS: build
    cargo run --locked --quiet -- demo {{ARGS}}

# Every test. Those on real data need RMBENCH_TEST_DATA and say so when they are skipped.
test: setup
    cargo test --locked --workspace

# The HTML report in headless Chromium; what it needs is installed once (apt, npm).
test-browser: setup
    @tools/browser.sh
    rm -rf target/browser-pages
    RMBENCH_BROWSER_PAGES="$PWD/target/browser-pages" cargo test --locked --quiet --test it report::write_browser_pages -- --ignored
    cd tests/browser && RMBENCH_BROWSER_PAGES="$PWD/../../target/browser-pages" node --test --test-reporter=spec --test-concurrency=1

# What a commit must pass before anything else.
lint: setup
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings

# The optimised binary, as users install it (a quarter of an hour from an empty cache).
install: setup
    cargo install --locked --path .

# A tiny chat model behind a real server (`pip install 'transformers[serving]'`), judged end to end; OUT gets run and report.
judge-demo TRANSFORMERS="transformers" OUT="judge-demo": build
    python="$(dirname "$(command -v {{TRANSFORMERS}})")/python"; "$python" tools/judge_end_to_end.py --rmbench target/debug/rmbench --transformers "$(command -v {{TRANSFORMERS}})" --out {{OUT}}

# A reward model of each kind, tiny, on one benchmark and in one report. PYTHON has torch and transformers.
three-kinds TRAIN BENCH OUT="three-kinds" PYTHON="python3": build
    PYTHON={{PYTHON}} tools/three_kinds.sh {{TRAIN}} {{BENCH}} {{OUT}}

# Eighteen real scorers in one go: the metrics of WMT23, imported and reported. DATA has their scores and the pairs scored.
# Clusters are source texts: the pairs name none, so they are found by their prompts.
wmt-report DATA OUT="wmt23": build
    target/debug/rmbench import table {{DATA}}/wmt23_qe_scores.parquet --items {{DATA}}/bench.parquet {{DATA}}/translation_wmt.parquet --benchmark wmt23 --out {{OUT}}/runs
    target/debug/rmbench report {{OUT}}/runs/* --out {{OUT}}/report

# The analysis half alone, without libtorch.
test-pure:
    cargo test --locked --no-default-features

# Rewrite the parity fixtures with the Python peers (see tests/reference/README.md).
fixtures PYTHON="python3":
    for script in architectures adamw_schedules chat_templates chat_expressions tokenizers_ids scipy_stats; do {{PYTHON}} tests/reference/$script.py; done
