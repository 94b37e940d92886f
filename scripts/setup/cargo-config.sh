#!/usr/bin/env bash
# Tells cargo where libtorch is and to build outside of the checkout, so that plain `cargo test` works in any shell and
# a second checkout builds in seconds. LIBTORCH and CARGO_TARGET_DIR of the environment win over it.
#
#   cargo-config.sh LIBTORCH_FOLDER
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/acuity
file=$(dirname "$0")/../../.cargo/local.toml
libtorch=${1-}

write() {
  [[ -z $libtorch ]] || printf '[env]\nLIBTORCH = "%s"\n' "$libtorch"
  printf '[build]\ntarget-dir = "%s/target"\n' "$cache"
}

# Unchanged contents keep their time: cargo rebuilds nothing.
if [[ ! -f $file || $(<"$file") != "$(write)" ]]; then write >"$file"; fi
