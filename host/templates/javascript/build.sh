#!/bin/sh
# Makes new-plugin.wasm. Its tools are installed into node_modules. BATCHGEN_HOST is the program batchgen where that is not on the path.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || npm ci --ignore-scripts --no-audit --no-fund --loglevel error
mkdir -p build
node componentize.mjs component.js wit component build/component.wasm
"${BATCHGEN_HOST:-batchgen}" plugins pack build/component.wasm
