#!/usr/bin/env bash
# What the browser tests need, once: Debian's chromium, Node 20 or newer with npm, and the two packages that
# tests/browser/package-lock.json pins. A browser of yours is used where RMBENCH_CHROMIUM names it.
set -euo pipefail
cd "$(dirname "$0")/../tests/browser"

wanted=()
if [ -z "${RMBENCH_CHROMIUM:-}" ] && ! command -v chromium >/dev/null 2>&1; then wanted+=(chromium); fi
if ! command -v node >/dev/null 2>&1; then wanted+=(nodejs); fi
if ! command -v npm >/dev/null 2>&1; then wanted+=(npm); fi
if [ "${#wanted[@]}" -gt 0 ]; then
  command -v apt-get >/dev/null 2>&1 || { echo "error: please install ${wanted[*]}" >&2; exit 2; }
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${wanted[@]}"
fi
if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  echo "error: node $(node --version) is too old for the browser tests; install version 20 or newer" >&2
  exit 2
fi
# Nothing to do where the packages are those of the lock file.
if ! cmp -s package-lock.json node_modules/.lock-used || [ ! -d node_modules/playwright-core ] || [ ! -d node_modules/axe-core ]; then
  npm ci --silent --no-audit --no-fund --ignore-scripts
  cp package-lock.json node_modules/.lock-used
fi
