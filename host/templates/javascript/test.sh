#!/bin/sh
# Builds the plugin and checks it.
set -eu
cd "$(dirname "$0")"
./build.sh
"${BATCHGEN_HOST:-batchgen}" plugins check new-plugin.wasm
