#!/bin/sh
# `npm run lint`: everything that judges the code without running it. Runs all of it, fails if anything complains.
set -u
cd "$(dirname "$0")/.." || exit 1
sh test/prepare.sh || exit 1
PATH=$PWD/node_modules/.bin:$PATH
status=0

check() {
  echo "lint: $*" >&2
  "$@" || { status=1; echo "lint: FAILED: $*" >&2; }
}

check prettier --check --log-level=warn .
check markdownlint-cli2
check tsc -p tsconfig.json
# What runs in a browser knows the DOM, and nothing of Node.
check tsc -p src/features/status-socket/page/tsconfig.json
check oxlint
check knip
check publint --strict --level=suggestion
for script in bin/*.sh src/*.sh src/package/debian/[cp]* test/*.sh docs/init/*/*.initd docs/monitoring/check_spawn_fcgi; do
  check sh -n "$script"
done
check bash -n .ci/run
exit "$status"
