#!/usr/bin/env bash
# From no cluster to the first stream Ready, with programs and images that `make images` built: does what `make cluster` does
# after it has found these unchanged, then what the README says. Prints the seconds, and ends the cluster. Needs root.
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
images/build.sh "$bin"
looked=$(passed "$begun")
cluster/cluster up
up=$(passed "$begun")
cluster/cluster install >/dev/null
made=$(passed "$begun")
applied=$EPOCHREALTIME
kubectl create secret generic game-night --from-literal=token="$(openssl rand -hex 16)"
kubectl apply -f examples/game-night.yaml
kubectl wait livestream/game-night --for condition=Ready --timeout=120s
printf '\nmake cluster → first stream Ready: %s s (goal < 90)\n' "$(passed "$begun")"
printf 'after %s s the images were found, after %s s the node was Ready, after %s s Acuity\n' "$looked" "$up" "$made"
printf 'stream applied → Ready: %s s (goal < 5)\n' "$(passed "$applied")"
