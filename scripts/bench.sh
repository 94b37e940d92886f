#!/usr/bin/env bash
# Runs all benchmarks with the programs in the folder $1, then prints target/bench/*.json as one table.
set -euo pipefail
cd "$(dirname "$0")/.."

export ACUITY_BIN=${1:?folder of the programs}
rm -rf target/bench
mkdir -p target/bench
cargo bench --locked --workspace --bench '*'
python3 scripts/bench-table.py target/bench/*.json
