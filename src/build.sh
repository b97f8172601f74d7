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
    --external:koffi --external:../../sys/programs/other-programs.ts --define:isInPlaceBundle="$3" $2 \
    --out-extension:.js=.cjs --log-level=warning
}
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

# Run as JavaScript by Node with the flags of the front, which are part of V8's check; --jitless cannot load TypeScript.
compiler=node_modules/.cache/code-cache.mjs
esbuild src/code-cache.ts --outfile="$compiler" --log-level=warning
node --jitless --disable-sigusr1 --expose-gc "$compiler"
