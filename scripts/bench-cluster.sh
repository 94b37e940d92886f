#!/usr/bin/env bash
# From no cluster to the first stream Ready, as the README says it and of programs and images that are built already: prints
# how many seconds that took, and ends the cluster. Needs root.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C # as a decimal point is written

bin=$(make --no-print-directory print-bin)
KUBECONFIG=$(cluster/cluster kubeconfig)
export KUBECONFIG
[[ -x $bin/operator && ! -e $KUBECONFIG ]] || { echo 'bench-cluster: first `make images`, and `make cluster-down`' >&2; exit 1; }

kubectl() { cluster/cluster kubectl "$@"; }
passed() { awk -v since="$1" -v now="$EPOCHREALTIME" 'BEGIN { printf "%.1f", now - since }'; }

trap 'cluster/cluster down' EXIT
begun=$EPOCHREALTIME
make --no-print-directory cluster
made=$(passed "$begun")
applied=$EPOCHREALTIME
kubectl create secret generic game-night --from-literal=token="$(openssl rand -hex 16)"
kubectl apply -f examples/game-night.yaml
kubectl wait livestream/game-night --for condition=Ready --timeout=120s
printf '\nmake cluster → first stream Ready: %s s (goal < 90), of these make cluster: %s s\n' "$(passed "$begun")" "$made"
printf 'stream applied → Ready: %s s (goal < 5)\n' "$(passed "$applied")"
