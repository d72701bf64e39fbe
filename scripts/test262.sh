#!/usr/bin/env bash
# Installs what is missing and runs test262 in the native runtime: see tests/test262/run.ts for the options.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/ensure.sh
ensure_debian build run test262
ensure_node_modules
exec node --import tsx tests/test262/run.ts "$@"
