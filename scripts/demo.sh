#!/usr/bin/env bash
# Installs what is missing, builds the website as a unikernel, boots it in QEMU and fetches its pages.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/ensure.sh
ensure_debian build run
ensure_node_modules
exec node --import tsx scripts/demo.ts
