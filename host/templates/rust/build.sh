#!/bin/sh
# Makes new-plugin.wasm. BATCHGEN_HOST is the program batchgen where that is not on the path.
set -eu
cd "$(dirname "$0")"
# As this crate type alone cargo optimizes across crates; the linker's flag makes calls short.
cargo rustc --release --target wasm32-unknown-unknown --crate-type cdylib -- -Clink-arg=--compress-relocations
"${BATCHGEN_HOST:-batchgen}" plugins pack "${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/release/new_plugin.wasm"
