#!/bin/sh
# Runs the unit tests, builds the plugin and checks it.
set -eu
cd "$(dirname "$0")"
cargo test
./build.sh
"${BATCHGEN_HOST:-batchgen}" plugins check new-plugin.wasm
