#!/bin/sh
# Makes new-plugin.wasm. BATCHGEN_HOST is the host where that is not on the path.
set -eu
cd "$(dirname "$0")"
cargo build --release --target wasm32-unknown-unknown
"${BATCHGEN_HOST:-host}" plugins pack "${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/release/new_plugin.wasm"
