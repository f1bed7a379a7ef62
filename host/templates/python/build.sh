#!/bin/sh
# Makes new-plugin.wasm. Its tools are installed into .tools. BATCHGEN_HOST is the program batchgen where that is not on the path.
set -eu
cd "$(dirname "$0")"
if [ ! -x .tools/bin/componentize-py ]; then
    python3 -m venv .tools
    .tools/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        --only-binary :all: --requirement requirements.txt
fi
mkdir -p build
.tools/bin/componentize-py --quiet --world component --wit-path wit componentize component --output build/component.wasm
"${BATCHGEN_HOST:-batchgen}" plugins pack build/component.wasm
