#!/bin/sh
# `npm run build`: the bundles in dist/, and their code compiled for the Node that builds.
set -eu
cd "$(dirname "$0")/.."

command -v esbuild >/dev/null || {
  echo 'build: esbuild is not installed; npm install brings it, and builds' >&2
  exit 1
}

# bundle INPUTS WHERE IS_IN_PLACE_BUNDLE
bundle() {
  esbuild $1 --bundle --minify-whitespace --minify-syntax --platform=node --target=node22.15 --format=cjs \
    --inject:src/sys/process/monotonic-clock.ts --define:performance=monotonicClock --external:koffi --external:../../sys/programs/other-programs.ts --define:isInPlaceBundle="$3" $2 \
    --out-extension:.js=.cjs --log-level=warning
}
# Manual pages and completions, meanwhile.
documents() {
  maker=node_modules/.cache/build-documents.cjs
  esbuild src/build-documents.ts --bundle --platform=node --outfile="$maker" --log-level=warning
  rm -rf dist/man dist/completion
  node "$maker" .
}
documents &
documents=$!
bundle 'src/spawn-fcgi.ts src/spawn-fcgictl.ts' --outdir=dist false
# What runs other programs is a bundle of its own: spawn-fcgictl loads it only where it has to. Nobody installs what is in
# it a second time, so the licences are there, too.
list=node_modules/.cache/other-programs.json
bundle src/sys/programs/other-programs.ts "--outdir=dist --metafile=$list" false
{
  echo '/*'
  grep -o 'node_modules/\(@[^/"]*/\)\{0,1\}[^/"]*' "$list" | sort -u | while read -r package; do
    printf '%s\n\n' "${package#node_modules/}"
    cat "$package"/[Ll][Ii][Cc][Ee][Nn][CcSs][Ee]*
  done
  echo '*/'
} >>dist/other-programs.cjs
sed -i 's|\.\./\.\./sys/programs/other-programs\.ts|./other-programs.cjs|' dist/spawn-fcgictl.cjs
# src/run/in-place-bundle.d.ts says what it is for.
bundle in-place=src/spawn-fcgi.ts --outdir=dist true

# What the status socket shows in a browser: one file, without a byte that is not needed.
page=src/features/status-socket/page parts=node_modules/.cache/status-page
esbuild $page/page.ts $page/page.css --bundle --minify --charset=ascii --format=iife --target=es2022 --outdir=$parts --log-level=warning
esbuild $page/assemble.ts --outfile=$parts/assemble.mjs --log-level=warning
node $parts/assemble.mjs $page/page.html $parts/page.css $parts/page.js dist/status-page.html

# With the flags of the front, and as JavaScript: src/code-cache.ts.
compiler=node_modules/.cache/code-cache.mjs
esbuild src/code-cache.ts --outfile="$compiler" --log-level=warning
flags='--jitless --v8-pool-size=1'
case $(node --version) in v22.* | v23.*) flags="$flags --no-expose-wasm" ;; esac
flags="$flags --no-rehash-snapshot --min-semi-space-size=4 --disable-sigusr1 --expose-gc"
node $flags "$compiler" compile

# A start, a respawn and a stop: this shell is the front.
rehearse() {
  place=$(mktemp -d)
  SPAWN_FCGI_FRONT=$$ node $flags "$compiler" rehearse -s "$place/socket" --state-dir "$place/state" -P "$place/pid" -- \
    "$(command -v node)" "$PWD/$compiler" accept "$place/workers" >"$place/output" 2>&1 3>&- 4>"$place/status" &
  supervisor=$!
  await '[ -s "$place/workers" ] && grep -q "^0 " "$place/status"' && kill -KILL "$(cat "$place/workers")" &&
    await '[ "$(wc -l <"$place/workers")" -eq 2 ]' && sleep 0.3
  kill "$supervisor"
  wait "$supervisor" && [ "$(wc -l <"$place/workers")" -eq 2 ] || failed=yes
  [ -z "${failed-}" ] || { echo 'build: the rehearsal of a start failed, so starts will be some milliseconds slower:'; cat "$place/output"; } >&2
  rm -rf "$place"
}

# Whether it comes true in time.
await() {
  tries=200
  until eval "$1" 2>/dev/null; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] && kill -0 "$supervisor" 2>/dev/null || return
    sleep 0.05
  done
}

wait "$documents"
rehearse
