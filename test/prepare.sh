#!/bin/sh
# Makes a checkout ready to run: dependencies (with a Node that is new enough, from the npm package "node") and the
# bundles. Does nothing that is already done. Everything after it must run with node_modules/.bin first in PATH.
# --built: the bundles only, and only where the tools are. npm runs that after it has installed.
set -eu
cd "$(dirname "$0")/.."
PATH=$PWD/node_modules/.bin:$PATH

install() {
  command -v npm >/dev/null || { echo 'prepare: needs npm (any version of Node brings it)' >&2; exit 1; }
  installed=node_modules/.package-lock.json
  if [ -e "$installed" ] && ! [ package-lock.json -nt "$installed" ] && ! [ package.json -nt "$installed" ]; then return; fi
  echo 'prepare: installing dependencies (npm ci)' >&2
  # The scripts bring the Node binary; a production setting in the environment must not leave the tools out.
  set -- --include=dev --include=optional --ignore-scripts=false --no-audit --no-fund --loglevel=error
  # A registry without the binaries for other platforms makes npm ci refuse the lock file; npm install keeps its versions.
  npm ci "$@" >/dev/null 2>&1 || {
    echo "prepare: npm ci failed (run it to see why), now npm install" >&2
    npm install --no-save "$@" >&2
  }
  touch "$installed"
}

build() {
  bundle=dist/spawn-fcgi.cjs
  for other in dist/in-place.cjs dist/spawn-fcgictl.cjs dist/other-programs.cjs dist/status-page.html dist/man/spawn-fcgi.1; do [ -e "$other" ] || bundle=$other; done
  if [ -e "$bundle" ] && [ -z "$(find src docs/options.md docs/spawn-fcgictl.md docs/events.md package.json package-lock.json -newer "$bundle" -print -quit)" ]; then return; fi
  echo 'prepare: building (npm run build)' >&2
  npm run --silent build >&2
}

case ${1-} in
  --built) command -v esbuild >/dev/null || exit 0 ;;
  *) install ;;
esac
build
