#!/usr/bin/env bash
# Builds crane, in the version of go.mod, into a folder: `crane registry serve` is a registry for `cluster push`.
#
#   build.sh FOLDER
set -euo pipefail
out=$(cd "${1:?which folder}" && pwd)
cd "$(dirname "$0")"

export GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} -mod=readonly"
go build -trimpath -ldflags '-s -w' -o "$out/crane" github.com/google/go-containerregistry/cmd/crane
