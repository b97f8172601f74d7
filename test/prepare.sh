#!/bin/sh
# Makes a checkout ready to run: dependencies (with a Node that is new enough, from the npm package "node") and the
# bundle. Does nothing that is already done. Everything after it must run with node_modules/.bin first in PATH.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/node_modules/.bin:$PATH

command -v npm >/dev/null || { echo 'prepare: needs npm (any version of Node brings it)' >&2; exit 1; }

installed=node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ package-lock.json -nt "$installed" ] || [ package.json -nt "$installed" ]; then
  echo 'prepare: installing dependencies (npm ci)' >&2
  # The scripts bring the Node binary; a production setting in the environment must not leave the tools out.
  set -- --include=dev --include=optional --ignore-scripts=false --no-audit --no-fund --loglevel=error
  # A registry without the binaries for other platforms makes npm ci refuse the lock file; npm install keeps its versions.
  npm ci "$@" >/dev/null 2>&1 || {
    echo "prepare: npm ci failed (run it to see why), now npm install" >&2
    npm install --no-save "$@" >&2
  }
  touch "$installed"
fi

bundle=dist/spawn-fcgi.cjs
if [ ! -e "$bundle" ] || [ ! -e dist/spawn-fcgictl.cjs ] || [ -n "$(find src package.json package-lock.json -newer "$bundle" -print -quit)" ]; then
  echo 'prepare: building (npm run build)' >&2
  npm run --silent build >&2
fi
