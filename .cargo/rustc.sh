#!/bin/sh
# The compiler of all builds here: nothing that it makes names a folder of the machine that it was made on, so that the same
# commit gives the same bytes everywhere. `trim-paths` of cargo will do this once it is stable.
root=$(cd "$(dirname "$0")/.." && pwd)
exec "$@" --remap-path-prefix="$root"=/batchgen --remap-path-prefix="${CARGO_HOME:-$HOME/.cargo}"=/cargo
