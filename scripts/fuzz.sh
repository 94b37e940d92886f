#!/usr/bin/env bash
# Runs every fuzz target of the workspace for FUZZ_SECONDS. The corpora are replayed by ordinary tests, so machines
# without a nightly toolchain lose nothing but new findings.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo +nightly --version >/dev/null 2>&1 ||
  { echo 'fuzz: needs a nightly toolchain: rustup toolchain install nightly' >&2; exit 1; }
cargo +nightly fuzz --version >/dev/null 2>&1 ||
  { echo 'fuzz: needs cargo-fuzz: cargo install --locked cargo-fuzz@0.13.2' >&2; exit 1; }

for fuzz in $(find . -path ./target -prune -o -path '*/fuzz/Cargo.toml' -printf '%h\n' | sort); do
  for target in $(cargo +nightly fuzz list --fuzz-dir "$fuzz"); do
    echo "fuzz: $fuzz: $target for ${FUZZ_SECONDS:-30} s"
    cargo +nightly fuzz run --fuzz-dir "$fuzz" "$target" -- -max_total_time="${FUZZ_SECONDS:-30}" -rss_limit_mb=1024
  done
done
