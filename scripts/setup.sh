#!/usr/bin/env bash
# Makes this machine able to build and run Acuity; with --tests, to test it. Never asks a question, and a second run
# changes nothing.
#
# Everything but system packages goes to the cache folder, $XDG_CACHE_HOME/acuity (default ~/.cache/acuity).
set -euo pipefail
cd "$(dirname "$0")"

for_tests=
if [[ ${1:-} == --tests ]]; then for_tests=1; fi

command -v cargo >/dev/null || { echo 'setup: there is no cargo: install Rust first, see https://rustup.rs' >&2; exit 1; }
./setup/packages.sh ${for_tests:+--tests}
libtorch=$(./fetch-libtorch.sh)
./setup/programs.sh nats-server
if [[ $for_tests ]]; then
  ./setup/programs.sh cargo-deny
  ./setup/promtool.sh
  ./setup/go-programs.sh kubernetes >/dev/null
  ./setup/go-programs.sh helm >/dev/null
fi
./setup/cargo-config.sh "$libtorch"
