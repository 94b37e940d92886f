#!/usr/bin/env bash
# Tries what the README promises of Kubernetes, with the programs that tests build. Makes a cluster of two nodes for it, and
# removes every trace of it whatever happens; with KUBECONFIG set it uses that cluster.
#
#   e2e.sh [SCENARIO...]
#
# KUBECONFIG   a cluster to use: that of `make cluster`, or any other
# E2E_VALUES   for any other: file of chart values that say where the images to try are. The release acuity in namespace
#              acuity is installed there, or upgraded, and stays
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'e2e: %s\n' "$*" >&2; }

if [[ -z ${KUBECONFIG:-} ]]; then
  ((EUID == 0)) || { say 'this needs root, for containers: sudo make e2e, or set KUBECONFIG'; exit 1; }
  scripts/setup/packages.sh --cluster
elif [[ $KUBECONFIG != "$(cluster/cluster kubeconfig)" && ! -f ${E2E_VALUES:-} ]]; then
  say 'KUBECONFIG is not the cluster of `make cluster`: E2E_VALUES must be a file of chart values that say where the images are,'
  say 'such as {images: {registry: registry.example.com/acuity, tag: mine}}'
  exit 1
fi
PATH=$(scripts/setup/go-programs.sh kubernetes):$(scripts/setup/go-programs.sh helm):$PATH
# As tests build them, so that nothing is compiled twice.
cargo build --locked --workspace --bins --tests
programs=$(dirname "$(make --no-print-directory print-bin)")/debug

if [[ -z ${KUBECONFIG:-} ]]; then
  images/build.sh "$programs"
  trap 'cluster/cluster down' EXIT
  NODES=2 cluster/cluster up
  KUBECONFIG=$(cluster/cluster kubeconfig)
fi
PATH=$programs:$PATH # where kubectl finds its plugin
export KUBECONFIG PATH RUST_LOG=${RUST_LOG:-error}
rm -rf target/e2e
"$programs/e2e-cluster" "$@"
python3 scripts/bench-table.py target/e2e/figures.json
