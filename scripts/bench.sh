#!/usr/bin/env bash
# Installs the peers that the benchmarks compare with and runs them: see bench/report.ts for the options.
set -euo pipefail
cd "$(dirname "$0")/.."
case " $* " in *" --help "*) exec node --import tsx bench/report.ts --help ;; esac
. scripts/ensure.sh
ensure_debian build run net dns bench
ensure_node_modules
node --import tsx bench/report.ts "$@"
