#!/usr/bin/env bash
# Runs all benchmarks, then prints target/bench/*.json as one table.
set -euo pipefail
cd "$(dirname "$0")/.."

rm -rf target/bench
mkdir -p target/bench
cargo bench --locked --workspace --bench '*'
python3 scripts/bench-table.py target/bench/*.json
