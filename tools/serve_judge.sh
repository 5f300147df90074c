#!/bin/sh
# Starts a judge's server on this machine and waits until it answers; Ctrl-C ends it.
#
#   tools/serve_judge.sh llama.cpp JUDGE.gguf [PORT]     llama-server of llama.cpp on PATH (brew, apt, or its releases)
#   tools/serve_judge.sh vllm ORG/JUDGE [PORT]           pip install vllm; a GPU
#   tools/serve_judge.sh sglang ORG/JUDGE [PORT]         pip install 'sglang[all]'; a GPU
#   tools/serve_judge.sh transformers DIRECTORY [PORT]   pip install 'transformers[serving]'; small models, no log-probabilities
#
# Then, in another terminal:
#
#   rmbench score --model endpoint:http://127.0.0.1:8000/v1 --judge pairwise --pairs bench.parquet --out runs/judge
#
# MORE is passed on to the server, as in MORE='--tensor-parallel-size 4' tools/serve_judge.sh vllm ORG/JUDGE.
set -eu

usage() {
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ $# -ge 2 ] || usage
engine=$1 model=$2 port=${3:-8000}

# shellcheck disable=SC2086  # MORE is a list of words.
case $engine in
llama.cpp)
    # Several questions at a time; --jinja uses the model's own chat template.
    set -- llama-server --model "$model" --host 127.0.0.1 --port "$port" --jinja --parallel 8 --ctx-size 65536 ${MORE:-}
    ;;
vllm)
    # 20 alternatives per token are what soft verdicts ask for at most; instructions that questions share are computed once.
    set -- vllm serve "$model" --host 127.0.0.1 --port "$port" --max-logprobs 20 --enable-prefix-caching ${MORE:-}
    ;;
sglang)
    set -- python3 -m sglang.launch_server --model-path "$model" --host 127.0.0.1 --port "$port" ${MORE:-}
    ;;
transformers)
    set -- transformers serve "$model" --host 127.0.0.1 --port "$port" ${MORE:-}
    ;;
*) usage ;;
esac

command -v "$1" >/dev/null || {
    echo "serve_judge: \`$1\` is not on PATH; the comment at the top of $0 says where it comes from" >&2
    exit 2
}

"$@" &
server=$!
trap 'kill "$server" 2>/dev/null' INT TERM EXIT
while ! curl --silent --fail --max-time 2 "http://127.0.0.1:$port/v1/models" >/dev/null; do
    kill -0 "$server" 2>/dev/null || {
        echo "serve_judge: the server ended before it answered" >&2
        exit 1
    }
    sleep 1
done
echo "serve_judge: endpoint:http://127.0.0.1:$port/v1 answers" >&2
wait "$server"
