#!/usr/bin/env bash
# Runs the benchmarks of some packages, then prints target/bench/*.json as one table.
#
#   bench.sh PACKAGE_OPTIONS     as cargo takes them
set -euo pipefail
cd "$(dirname "$0")/.."

rm -rf target/bench
mkdir -p target/bench
cargo bench --locked "$@" --bench '*'
python3 scripts/bench-table.py target/bench/*.json
