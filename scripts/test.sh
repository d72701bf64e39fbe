#!/usr/bin/env bash
# Installs what is missing and runs every check and every test. See CONTRIBUTING.md for what runs where.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/ensure.sh
ensure_debian build run net disk dns shell
ensure_node_modules

step() {
  echo
  echo "== $1"
  shift
  "$@"
}

step 'Lint and format' npm run --silent lint
step 'Types' npm run --silent typecheck
step 'Dependency rule' npm run --silent deps
step 'Native runtime of this version' node packages/cli/bin/mirage.mjs build -t virtio -f examples/tutorial/hello/config.ts
step 'Native layer: every test image, booted' node native/tests/run.mjs
step 'Unit tests and interoperation' npm run --silent test:node
